// The bank's page: the holder agrees or refuses, and goes back to where they came from.

const main = /** @type {HTMLElement} */ (document.querySelector('main'));
const told = /** @type {HTMLElement} */ (document.querySelector('#told'));
const { intent = '', kind = '', secret = '', return: back = '' } = main.dataset;

/** @param {boolean} agrees */
const answer = async (agrees) => {
  for (const button of main.querySelectorAll('button')) button.disabled = true;
  const answered = await fetch('/stripe/_act', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ act: 'answer_bank', intent, agrees }),
  });
  if (!answered.ok) {
    told.textContent = (await answered.json()).detail;
    return;
  }
  // In a frame the script that opened it goes on; by itself the page goes back.
  if (back && parent === window) {
    const url = new URL(back);
    url.searchParams.set(kind, intent);
    url.searchParams.set(`${kind}_client_secret`, secret);
    url.searchParams.set('redirect_status', agrees ? 'succeeded' : 'failed');
    location.href = url.href;
    return;
  }
  told.textContent = agrees ? 'Thank you.' : 'Refused.';
  parent.postMessage({ challenge: intent }, '*');
};

document.querySelector('#yes')?.addEventListener('click', () => answer(true));
document.querySelector('#no')?.addEventListener('click', () => answer(false));
