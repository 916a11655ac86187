"""The search app: describe an image in words, see the images that fit, and judge them.

`session` holds all logic, `gallery` what a session searches, `page` the HTML of results, `opening`
how a gallery is opened or built, and `web` the page in the browser, which needs the extra `app`.
"""
