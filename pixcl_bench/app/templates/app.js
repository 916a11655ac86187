element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-act]');
  if (!button) return;
  let act = button.dataset.act;
  if (act === 'yes' || act === 'no') {
    const pressed = button.getAttribute('aria-pressed') === 'true';
    button.parentElement.querySelectorAll('button[aria-pressed]').forEach((other) => {
      other.setAttribute('aria-pressed', 'false');
    });
    button.setAttribute('aria-pressed', pressed ? 'false' : 'true');
    if (pressed) act = 'none';
  }
  trigger('click', {
    act, id: button.dataset.id || '', query: button.dataset.query || '0', text: button.dataset.text || '',
  });
});

const results = element.closest('#px-results');
if (results) {
  watch('value', () => {
    if (window.innerWidth < 700) results.scrollIntoView({behavior: 'smooth'});
  });
}
