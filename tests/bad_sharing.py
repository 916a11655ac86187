"""Wrong edits of the toy project's `benchmarks.yaml`: extends, groups and included files.

The line that the message must name is the one that has `#!` in the replacement."""

from toy_project import Edit

BAD_SHARING: list[Edit] = [
    (
        "extends an unknown method",
        "        title: better\n",
        "        title: better\n        extends: plian  #!\n",
        ["unknown method 'plian'", "'plain'"],
    ),
    (
        "extends an unknown data set",
        "      landcover-tiles: {}\n",
        "      landcover-tiles: {extends: digit}  #!\n",
        ["unknown data set 'digit'", "'digits'"],
    ),
    (
        "extends an unknown budget",
        "      study:\n",
        "      study:\n        extends: quik  #!\n",
        ["unknown budget 'quik'", "'quick'"],
    ),
    (
        "extends itself",
        "        title: better\n",
        "        title: better\n        extends: better  #!\n",
        ["in a circle: better -> better"],
    ),
    (
        "extends what is no name",
        "        title: better\n",
        "        title: better\n        extends: [plain]  #!\n",
        ["extends", "string"],
    ),
    (
        "extends in a misspelt word",
        "        title: better\n",
        "        title: better\n        extend: plain  #!\n",
        ["unknown key 'extend'", "'extends'"],
    ),
    (
        "a title is not taken over",
        "      better:\n        title: better\n",
        "      better:  #!\n        extends: plain\n",
        ["missing key 'title'"],
    ),
    (
        "an argument taken over that is unknown",
        (
            "        args: {width: 4, temperature: 0.2, mode: ok}\n"
            "      better:\n"
            "        title: better\n"
        ),
        (
            "        args: {width: 4, temperature: 0.2, mode: ok}  #!\n"
            "      better:\n"
            "        title: better\n"
            "        extends: plain\n"
        ),
        ["unknown argument 'temperature' of better"],
    ),
    (
        "a setting taken over that is out of range",
        "settings: {steps: 4}\n      study:\n",
        "settings: {steps: -4}  #!\n      study:\n        extends: quick\n",
        ["steps", "-4"],
    ),
    (
        "unknown kind of groups",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    groups: {method: {few: [plain]}}  #!\n"
            "    literature: {elsewhere: A method of others}\n"
        ),
        ["unknown key 'method'", "'methods'"],
    ),
    (
        "unknown method of a group",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    groups: {methods: {few: [plian]}}  #!\n"
            "    literature: {elsewhere: A method of others}\n"
        ),
        ["unknown method 'plian'", "'plain'"],
    ),
    (
        "unknown data set of a group",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    groups: {datasets: {few: [digit]}}  #!\n"
            "    literature: {elsewhere: A method of others}\n"
        ),
        ["unknown data set 'digit'", "'digits'"],
    ),
    (
        "a group with the name of a method",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    groups: {methods: {plain: [chance]}}  #!\n"
            "    literature: {elsewhere: A method of others}\n"
        ),
        ["the group 'plain' has the name of a method"],
    ),
    (
        "a group called all",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    groups: {methods: {all: [chance]}}  #!\n"
            "    literature: {elsewhere: A method of others}\n"
        ),
        ["the group 'all' has the name of every method"],
    ),
    (
        "an empty group",
        "    literature: {elsewhere: A method of others}\n",
        ("    groups: {methods: {few: []}}  #!\n    literature: {elsewhere: A method of others}\n"),
        ["few", "at least 1"],
    ),
    (
        "a group in words",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    groups: {methods: {few: plain}}  #!\n"
            "    literature: {elsewhere: A method of others}\n"
        ),
        ["few: a list is wanted", "write [plain]"],
    ),
    (
        "misspelt group of a budget",
        (
            "    literature: {elsewhere: A method of others}\n"
            "    budgets:\n"
            "      quick:\n"
            "        datasets: [digits]\n"
            "        methods: [chance, plain]\n"
        ),
        (
            "    groups: {methods: {simple: [plain]}}\n"
            "    literature: {elsewhere: A method of others}\n"
            "    budgets:\n"
            "      quick:\n"
            "        datasets: [digits]\n"
            "        methods: [simpel]  #!\n"
        ),
        ["unknown method 'simpel'", "'simple'"],
    ),
    (
        "a method twice by its group",
        (
            "    literature: {elsewhere: A method of others}\n"
            "    budgets:\n"
            "      quick:\n"
            "        datasets: [digits]\n"
            "        methods: [chance, plain]\n"
        ),
        (
            "    groups: {methods: {simple: [plain]}}\n"
            "    literature: {elsewhere: A method of others}\n"
            "    budgets:\n"
            "      quick:\n"
            "        datasets: [digits]\n"
            "        methods: [chance, plain, simple]  #!\n"
        ),
        ["duplicate method 'plain': first on line 56"],
    ),
    (
        "an argument of a group that one of it does not take",
        (
            "    literature: {elsewhere: A method of others}\n"
            "    budgets:\n"
            "      quick:\n"
            "        datasets: [digits]\n"
            "        methods: [chance, plain]\n"
        ),
        (
            "    groups: {methods: {simple: [chance, plain]}}\n"
            "    literature: {elsewhere: A method of others}\n"
            "    budgets:\n"
            "      quick:\n"
            "        datasets: [digits]\n"
            "        methods: [chance, plain]\n"
            "        args: {simple: {width: 3}}  #!\n"
        ),
        ["unknown argument 'width' of chance"],
    ),
    (
        "an included file that is missing",
        "version: 1\n",
        "version: 1\ninclude: [benchmarks/other.yaml]  #!\n",
        ["file 'benchmarks/other.yaml' does not exist"],
    ),
    (
        "an included file without a name",
        "version: 1\n",
        'version: 1\ninclude: [""]  #!\n',
        ["'' is not the name of a file"],
    ),
    (
        "an included file with a null in its name",
        "version: 1\n",
        'version: 1\ninclude: ["a\\0.yaml"]  #!\n',
        ["is not the name of a file"],
    ),
    (
        "an included file outside",
        "version: 1\n",
        "version: 1\ninclude: [../other.yaml]  #!\n",
        ["leaves the project"],
    ),
    (
        "an included file of another kind",
        "version: 1\n",
        "version: 1\ninclude: [toybench/task.py]  #!\n",
        ["is not a .yaml file"],
    ),
    (
        "include in words",
        "version: 1\n",
        "version: 1\ninclude: other.yaml  #!\n",
        ["include: a list is wanted", "write [other.yaml]"],
    ),
    (
        "a claim of a task that names the task",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    literature: {elsewhere: A method of others}\n"
            "    claims:\n"
            "      - {id: a, task: toy,  #!\n"
            "         metric: score, better: better, than: plain, origin: control, statement: A.}\n"
        ),
        ["'task' is not used here"],
    ),
    (
        "unknown metric of a task's own claim",
        "    literature: {elsewhere: A method of others}\n",
        (
            "    literature: {elsewhere: A method of others}\n"
            "    claims:\n"
            "      - {id: a, metric: sore,  #!\n"
            "         better: better, than: plain, origin: control, statement: A.}\n"
        ),
        ["unknown metric 'sore'", "'score'"],
    ),
    (
        "a missing table of reported numbers",
        "    literature: {elsewhere: A method of others}\n",
        "    literature: {elsewhere: A method of others}\n    reported: toy.csv  #!\n",
        ["file 'toy.csv' does not exist"],
    ),
]
