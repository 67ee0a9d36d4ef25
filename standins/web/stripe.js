// Stands for Stripe.js: the same surface, as far as our pages use it. The card form lives in a frame of this script's own
// origin; what is typed there never reaches the page. Nothing here grants anything: the signed webhook does.

/** @import {Stripe as Full, StripeElements, StripePaymentElement, StripeElementType} from '@stripe/stripe-js' */
/** @import {StripeElementsOptionsMode, StripeElementsOptionsClientSecret} from '@stripe/stripe-js' */
/** @import {ConfirmPaymentData, StripeError, PaymentIntent, SetupIntent} from '@stripe/stripe-js' */

/** The part of Stripe that is played, of the form and of what holds it. What is not in it is not there.
 *  @typedef {Pick<Full, 'confirmPayment' | 'confirmSetup' | 'handleNextAction' | 'retrievePaymentIntent'
 *    | 'retrieveSetupIntent'>} Played
 *  @typedef {Pick<StripeElements, 'fetchUpdates' | 'submit'>} PlayedElements
 *  @typedef {Pick<StripePaymentElement, 'mount' | 'unmount' | 'destroy' | 'focus' | 'blur' | 'clear'>} PlayedForm
 *  @typedef {Partial<Pick<StripeElementsOptionsMode, 'mode' | 'currency' | 'setupFutureUsage'>> & {amount?: number}
 *    & Partial<Pick<StripeElementsOptionsClientSecret, 'clientSecret'>>} Options
 *  @typedef {(PaymentIntent & {object: 'payment_intent'}) | (SetupIntent & {object: 'setup_intent'})} Intent */

/** What the frame answers.
 *  @typedef {{intent?: any, error?: StripeError, lost?: boolean}} Told */

(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const base = new URL('..', script.src).href;
  const origin = new URL(base).origin;

  /** A mistake in how this is used, told as Stripe.js tells it. @param {string} message @returns {never} */
  const misused = (message) => {
    const error = new Error(message);
    error.name = 'IntegrationError';
    throw error;
  };

  /** A frame that answers questions. */
  class Frame {
    /** @param {string} key @param {HTMLElement} place @param {(kind: string, detail: any) => void} tell */
    constructor(key, place, tell) {
      this.frame = document.createElement('iframe');
      this.frame.title = 'Secure payment input frame';
      this.frame.src = `${base}v3/frame#${encodeURIComponent(key)}`;
      this.frame.style.cssText = 'border:0;width:100%;height:230px;display:block';
      this.asked = 0;
      /** @type {Map<number, (told: Told) => void>} */
      this.open = new Map();
      /** @type {Promise<void>} */
      this.ready = new Promise((resolve) => {
        this.isReady = resolve;
      });
      this.listener = (/** @type {MessageEvent} */ event) => {
        if (event.origin !== origin || event.source !== this.frame.contentWindow) return;
        const { answer, told, kind, detail } = event.data;
        if (kind === 'ready') this.isReady?.();
        if (kind === 'height') this.frame.style.height = `${detail}px`;
        else if (kind) tell(kind, detail);
        this.open.get(answer)?.(told);
        this.open.delete(answer);
      };
      addEventListener('message', this.listener);
      place.append(this.frame);
    }

    /** @param {string} question @param {object} [more] @returns {Promise<Told>} */
    async ask(question, more = {}) {
      await this.ready;
      const ask = ++this.asked;
      return new Promise((resolve) => {
        this.open.set(ask, resolve);
        this.frame.contentWindow?.postMessage({ ask, question, ...more }, origin);
      });
    }

    leave() {
      removeEventListener('message', this.listener);
      this.frame.remove();
    }
  }

  /** Shows the bank's page over ours until the holder has answered. @param {string} url @returns {Promise<void>} */
  const bank = (url) =>
    new Promise((resolve) => {
      const over = document.createElement('dialog');
      over.setAttribute('aria-label', 'Your bank asks');
      over.style.cssText = 'border:0;padding:0;width:min(32rem,94vw);height:min(30rem,90vh)';
      const page = document.createElement('iframe');
      page.title = 'Your bank asks';
      page.src = url;
      page.style.cssText = 'border:0;width:100%;height:100%';
      over.append(page);
      over.addEventListener('cancel', (event) => event.preventDefault());
      const listener = (/** @type {MessageEvent} */ event) => {
        if (event.origin !== origin || event.source !== page.contentWindow) return;
        removeEventListener('message', listener);
        over.remove();
        resolve();
      };
      addEventListener('message', listener);
      document.body.append(over);
      over.showModal();
    });

  /** The form, as the page holds it. @implements {PlayedForm} */
  class Form {
    /** @param {Elements} elements */
    constructor(elements) {
      this.elements = elements;
      /** @type {Map<string, Set<(detail: any) => void>>} */
      this.listeners = new Map();
    }

    /** @param {string | HTMLElement} where */
    mount(where) {
      const place = typeof where === 'string' ? document.querySelector(where) : where;
      if (!(place instanceof HTMLElement)) misused(`The selector you specified (${where}) applies to no DOM elements.`);
      this.elements.frame?.leave();
      const tell = (/** @type {string} */ kind, /** @type {any} */ detail) => this.tell(kind, detail);
      this.elements.frame = new Frame(this.elements.key, /** @type {HTMLElement} */ (place), tell);
    }

    /** @param {string} kind @param {any} detail */
    tell(kind, detail) {
      for (const heard of this.listeners.get(kind) ?? []) heard({ elementType: 'payment', ...detail });
    }

    /** @param {string} kind @param {(detail: any) => void} heard */
    on(kind, heard) {
      const all = this.listeners.get(kind) ?? new Set();
      this.listeners.set(kind, all.add(heard));
      return this;
    }

    /** @param {string} kind @param {(detail: any) => void} heard */
    once(kind, heard) {
      const once = (/** @type {any} */ detail) => {
        this.off(kind, once);
        heard(detail);
      };
      return this.on(kind, once);
    }

    /** @param {string} kind @param {(detail: any) => void} [heard] */
    off(kind, heard) {
      if (heard) this.listeners.get(kind)?.delete(heard);
      else this.listeners.delete(kind);
      return this;
    }

    unmount() {
      this.elements.frame?.leave();
      this.elements.frame = undefined;
    }

    destroy() {
      this.unmount();
      this.elements.form = undefined;
    }

    focus() {
      this.elements.frame?.ask('focus');
    }

    clear() {
      this.elements.frame?.ask('clear');
    }

    blur() {
      this.elements.frame?.frame.blur();
    }
  }

  /** How a confirmation is asked for.
   *  @typedef {{elements?: StripeElements, clientSecret?: string, confirmParams?: Partial<ConfirmPaymentData>,
   *    redirect?: 'always' | 'if_required'}} Confirmation */

  /** What belongs to one form: its options, its frame, and whether it was submitted. @implements {PlayedElements} */
  class Elements {
    /** @param {string} key @param {Options} options */
    constructor(key, options) {
      const { mode, amount, currency, clientSecret } = options;
      if (!mode && !clientSecret) misused('elements() needs a clientSecret or a mode.');
      if (mode && !['payment', 'setup', 'subscription'].includes(mode)) misused(`Invalid mode: ${mode}.`);
      if ((mode === 'payment' || mode === 'subscription') && (!Number.isInteger(amount) || !currency)) {
        misused(`elements({mode: '${mode}'}) needs an amount and a currency.`);
      }
      this.key = key;
      this.options = options;
      this.submitted = false;
      /** @type {Frame | undefined} */
      this.frame = undefined;
      /** @type {Form | undefined} */
      this.form = undefined;
    }

    /** @param {StripeElementType} kind */
    create(kind) {
      if (kind !== 'payment') misused(`This stand-in plays the Payment Element only, not '${kind}'.`);
      if (this.form) misused('Can only create one Element of type payment through elements().');
      this.form = new Form(this);
      return this.form;
    }

    /** @param {StripeElementType} kind */
    getElement(kind) {
      return kind === 'payment' ? (this.form ?? null) : null;
    }

    /** @param {Partial<Options>} options */
    update(options) {
      this.submitted = false;
      Object.assign(this.options, options);
    }

    async fetchUpdates() {
      return {};
    }

    async submit() {
      if (!this.frame) misused('submit() needs a mounted Element.');
      const { error } = await /** @type {Frame} */ (this.frame).ask('submit');
      this.submitted = !error;
      return error ? { error } : { selectedPaymentMethod: 'card' };
    }

    /** What the page was opened with, for comparison with the intent. */
    page() {
      const { mode, amount, currency, setupFutureUsage } = this.options;
      return mode ? { mode, amount, currency, setup_future_usage: setupFutureUsage ?? undefined } : {};
    }
  }

  /** @param {string} key @returns {Played & {elements: (options: Options) => Elements}} */
  const Stripe = (key) => {
    if (!/^pk_test_./.test(key)) misused('The stand-in takes publishable test keys (pk_test_…) only.');
    /** @type {Frame | undefined} */
    let quiet;
    const silent = () => {
      if (quiet) return quiet;
      quiet = new Frame(key, document.body, () => {});
      quiet.frame.style.cssText = 'display:none';
      quiet.frame.setAttribute('aria-hidden', 'true');
      return quiet;
    };

    /** Shows the bank's page where it asks, and how the intent stands then. @param {Told} told @returns {Promise<Told>} */
    const finish = async (told) => {
      const action = told.intent?.next_action;
      if (told.error || !action) return told;
      await bank(action.use_stripe_sdk?.stripe_js ?? action.redirect_to_url?.url);
      const after = await silent().ask('retrieve', { secret: told.intent.client_secret });
      const trouble = after.intent?.last_payment_error ?? after.intent?.last_setup_error;
      return trouble ? { error: { ...trouble, [after.intent.object]: after.intent } } : after;
    };

    /** @param {Confirmation} options @param {'payment_intent' | 'setup_intent'} kind @returns {Promise<any>} */
    const confirm = async (options, kind) => {
      const { elements, clientSecret, confirmParams = {}, redirect = 'always' } = options;
      const given = /** @type {Elements | undefined} */ (/** @type {unknown} */ (elements));
      const secret = clientSecret ?? given?.options.clientSecret;
      if (!secret) misused('confirm needs a clientSecret.');
      if (redirect === 'always' && !confirmParams.return_url) misused('confirmParams.return_url is missing.');
      if (given?.options.mode && !given.submitted) misused('elements.submit() must be called before confirming.');
      const frame = given ? (given.frame ?? misused('The Element is not mounted.')) : silent();
      const { return_url, payment_method } = confirmParams;
      const page = given?.page() ?? {};
      const told = await finish(await frame.ask('confirm', { secret, return_url, payment_method, page }));
      if (told.error) return { error: told.error };
      if (told.lost) return new Promise(() => {});
      if (redirect === 'if_required') return { [kind === 'payment_intent' ? 'paymentIntent' : 'setupIntent']: told.intent };
      const back = new URL(/** @type {string} */ (return_url));
      back.searchParams.set(kind, told.intent.id);
      back.searchParams.set(`${kind}_client_secret`, /** @type {string} */ (secret));
      back.searchParams.set('redirect_status', told.intent.status === 'succeeded' ? 'succeeded' : 'processing');
      location.href = back.href;
      return new Promise(() => {});
    };

    /** @param {string} secret @returns {Promise<any>} */
    const retrieve = async (secret) => {
      const { intent, error } = await silent().ask('retrieve', { secret });
      if (error) return { error };
      return intent.object === 'setup_intent' ? { setupIntent: intent } : { paymentIntent: intent };
    };

    const played = {
      elements: (/** @type {Options} */ options) => new Elements(key, { ...options }),
      confirmPayment: (/** @type {Confirmation} */ options) => confirm(options, 'payment_intent'),
      confirmSetup: (/** @type {Confirmation} */ options) => confirm(options, 'setup_intent'),
      handleNextAction: async (/** @type {{clientSecret?: string, hashedValue?: string}} */ { clientSecret }) => {
        if (!clientSecret) misused('handleNextAction() needs a clientSecret.');
        const told = await finish(await silent().ask('retrieve', { secret: clientSecret }));
        if (told.error) return { error: told.error };
        return told.intent.object === 'setup_intent' ? { setupIntent: told.intent } : { paymentIntent: told.intent };
      },
      retrievePaymentIntent: retrieve,
      retrieveSetupIntent: retrieve,
    };
    return played;
  };

  Object.assign(window, { Stripe });
})();
