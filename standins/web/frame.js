// The card form inside the frame: checks what is typed, and asks the stand-in's API with it. The page outside sees an
// outcome and never a card.

const key = decodeURIComponent(location.hash.slice(1));
const form = /** @type {HTMLFormElement} */ (document.querySelector('#card'));
const trouble = /** @type {HTMLElement} */ (document.querySelector('#trouble'));
const [number, expiry, cvc] = ['#number', '#expiry', '#cvc'].map(
  (id) => /** @type {HTMLInputElement} */ (form.querySelector(id)),
);
/** A card that pays while the page that asked never hears of it. */
const PAGE_LOST = '4000000000001018';

/** @param {object} message */
const tell = (message) => parent.postMessage(message, '*');

/** The digits of a field. @param {HTMLInputElement} field */
const digits = (field) => field.value.replace(/\D/g, '');

/** @param {string} value */
const sound = (value) => {
  const sum = [...value].reverse().reduce((sum, digit, place) => {
    const twice = Number(digit) * 2;
    return sum + (place % 2 ? Math.floor(twice / 10) + (twice % 10) : Number(digit));
  }, 0);
  return value.length >= 12 && sum % 10 === 0;
};

/** Each field that is not right yet, with what to say. */
const faults = () => {
  const [month, year] = [Number(digits(expiry).slice(0, 2)), digits(expiry).slice(2)];
  /** @type {[HTMLInputElement, string, string][]} */
  const all = [];
  if (!digits(number)) all.push([number, 'incomplete_number', 'Your card number is incomplete.']);
  else if (!sound(digits(number))) all.push([number, 'invalid_number', 'Your card number is invalid.']);
  if (month < 1 || month > 12 || year.length < 2) {
    all.push([expiry, 'incomplete_expiry', "Your card's expiration date is incomplete."]);
  }
  if (digits(cvc).length < 3) all.push([cvc, 'incomplete_cvc', "Your card's security code is incomplete."]);
  return all;
};

/** Shows what is wrong; the error as the page gets it. */
const validate = () => {
  const all = faults();
  for (const field of [number, expiry, cvc]) field.setAttribute('aria-invalid', String(all.some(([at]) => at === field)));
  trouble.textContent = all[0]?.[2] ?? '';
  all[0]?.[0].focus();
  size();
  return all[0] && { type: 'validation_error', code: all[0][1], message: all[0][2] };
};

const size = () => tell({ kind: 'height', detail: document.body.scrollHeight + 8 });

/** @param {string} method @param {string} path @param {Record<string, string | undefined>} fields */
const call = async (method, path, fields) => {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const form = new URLSearchParams(/** @type {[string, string][]} */ (given));
  const url = `/stripe/v1/${path}${method === 'GET' ? `?${form}` : ''}`;
  const headers = { authorization: `Bearer ${key}` };
  try {
    const answer = await fetch(url, { method, headers, body: method === 'GET' ? undefined : form });
    const told = await answer.json();
    return told.error ? { error: told.error } : { intent: told };
  } catch {
    return { error: { type: 'api_connection_error', message: 'We are experiencing issues connecting to our payments provider.' } };
  }
};

/** The path of the intent a secret belongs to. @param {string} secret */
const path = (secret) => {
  const id = secret.split('_secret_')[0];
  return `${id.startsWith('seti_') ? 'setup_intents' : 'payment_intents'}/${id}`;
};

/** @param {any} asked */
const pay = async ({ secret, return_url, payment_method, page }) => {
  /** @type {Record<string, string | undefined>} */
  const fields = { client_secret: secret, return_url };
  for (const [name, value] of Object.entries(page)) {
    if (value !== undefined) fields[`page[${name}]`] = String(value);
  }
  if (payment_method) {
    fields.payment_method = payment_method;
  } else {
    const error = validate();
    if (error) return { error };
    fields['payment_method_data[type]'] = 'card';
    fields['payment_method_data[card][number]'] = digits(number);
    fields['payment_method_data[card][exp_month]'] = digits(expiry).slice(0, 2);
    fields['payment_method_data[card][exp_year]'] = digits(expiry).slice(2);
    fields['payment_method_data[card][cvc]'] = digits(cvc);
  }
  const told = await call('POST', `${path(secret)}/confirm`, fields);
  if (told.error) {
    trouble.textContent = told.error.message;
    size();
  }
  return { ...told, lost: digits(number) === PAGE_LOST };
};

/** @type {Record<string, (asked: any) => unknown>} */
const answers = {
  submit: () => ({ error: validate() }),
  confirm: pay,
  retrieve: ({ secret }) => call('GET', path(secret), { client_secret: secret }),
  focus: () => number.focus(),
  clear: () => form.reset(),
};

addEventListener('message', async (event) => {
  if (event.source !== parent || !(event.data.question in answers)) return;
  tell({ answer: event.data.ask, told: (await answers[event.data.question](event.data)) ?? {} });
});

form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('input', () => {
  const empty = [number, expiry, cvc].every((field) => !field.value);
  tell({ kind: 'change', detail: { complete: faults().length === 0, empty, collapsed: false, value: { type: 'card' } } });
});
tell({ kind: 'ready', detail: {} });
size();
