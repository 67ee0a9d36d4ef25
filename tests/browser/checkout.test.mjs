// Paying in a browser: a page of a seller loads the script that stands for Stripe.js from the stand-in, and sees no card.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { browser, until } from "./house.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = () => ["ci", "release", "debug"].map((profile) => join(root, "target", profile, "backstage-standins")).find(existsSync);

let chrome, standins, card, seller, state, context, page;

before(async () => {
  state = mkdtempSync(join(tmpdir(), "standins-"));
  standins = spawn(program(), ["--state", state], { stdio: "ignore" });
  await until("standins.json", () => existsSync(join(state, "standins.json")));
  card = JSON.parse(readFileSync(join(state, "standins.json"), "utf8"));
  seller = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(
    `<!doctype html><title>Seller</title><div id="form"></div><script src="${card.stripe.script}"></script>`));
  await new Promise((done) => seller.listen(0, "127.0.0.1", done));
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  seller?.close();
  standins?.kill();
  if (standins?.exitCode === null) await new Promise((done) => standins.once("exit", done));
  rmSync(state, { recursive: true, force: true });
});
beforeEach(async () => {
  context = await chrome.newContext({ viewport: { width: 480, height: 844 }, reducedMotion: "reduce" });
  page = await context.newPage();
  await page.goto(`http://127.0.0.1:${seller.address().port}/pay`);
});
afterEach(() => context.close());

/** The seller's server asks. */
async function ask(path, fields) {
  const options = { headers: { authorization: `Bearer ${card.stripe.secret_key}` } };
  if (fields) Object.assign(options, { method: "POST", body: new URLSearchParams(fields) });
  return (await fetch(`${card.stripe.url}/v1/${path}`, options)).json();
}

const payment = (more = {}) => ask("payment_intents", { amount: "1000", currency: "usd", ...more });

/** Opens the form and types a card. */
async function fill(number, elements = { mode: "payment", amount: 1000, currency: "usd" }) {
  await page.evaluate(([key, elements]) => {
    const stripe = window.Stripe(key);
    window.form = stripe.elements(elements);
    const element = window.form.create("payment");
    element.on("change", (change) => { window.changed = change; });
    element.mount("#form");
    window.stripe = stripe;
  }, [card.stripe.publishable_key, elements]);
  const frame = page.frameLocator("#form iframe");
  await frame.getByLabel("Card number").fill(number);
  await frame.getByLabel("Expiration").fill("12 / 40");
  await frame.getByLabel("Security code").fill("123");
}

/** Submits and confirms; what the page is told. */
const confirm = (clientSecret, how = "confirmPayment", redirect = "if_required") =>
  page.evaluate(async ([clientSecret, how, redirect]) => {
    const { error } = await window.form.submit();
    if (error) return { error };
    const confirmParams = { return_url: `${location.origin}/back` };
    return window.stripe[how]({ elements: window.form, clientSecret, confirmParams, redirect });
  }, [clientSecret, how, redirect]);

/** Answers the bank's page. */
const bank = (button) => page.frameLocator("dialog iframe").getByRole("button", { name: button }).click();

test("a card that pays is told to the page, which never sees its number", async () => {
  const intent = await payment();
  await fill("4242 4242 4242 4242");
  assert.equal(await page.evaluate(() => window.changed.complete), true);
  const told = await confirm(intent.client_secret);
  assert.deepEqual([told.paymentIntent.id, told.paymentIntent.status], [intent.id, "succeeded"]);
  assert.equal(await page.evaluate(() => document.querySelector("#form iframe").contentDocument), null);
});

test("a page that always leads away carries the outcome in its address", async () => {
  const intent = await payment();
  await fill("5555555555554444");
  // The page goes away under the call, which never answers.
  confirm(intent.client_secret, "confirmPayment", "always").catch(() => {});
  await page.waitForURL(/\/back/);
  const back = new URL(page.url()).searchParams;
  assert.deepEqual([back.get("payment_intent"), back.get("redirect_status")], [intent.id, "succeeded"]);
});

test("a card that is refused says why, in the form and to the page", async () => {
  const intent = await payment();
  await fill("4000000000009995");
  const { error } = await confirm(intent.client_secret);
  assert.deepEqual([error.code, error.decline_code], ["card_declined", "insufficient_funds"]);
  assert.match(await page.frameLocator("#form iframe").getByRole("alert").textContent(), /insufficient funds/);
  assert.equal((await ask(`payment_intents/${intent.id}`)).status, "requires_payment_method");
});

test("a form that is not filled in right is not sent", async () => {
  await fill("4242424242424241");
  const { error } = await confirm((await payment()).client_secret);
  assert.deepEqual([error.type, error.code], ["validation_error", "invalid_number"]);
});

for (const [button, status] of [["Agree", "succeeded"], ["Refuse", "requires_payment_method"]]) {
  test(`the bank's page asks, and "${button}" comes to ${status}`, async () => {
    const intent = await payment();
    await fill("4000002760003184");
    const [told] = await Promise.all([confirm(intent.client_secret), bank(button)]);
    if (button === "Agree") assert.equal(told.paymentIntent.status, status);
    else assert.equal(told.error.code, "payment_intent_authentication_failure");
    assert.equal((await ask(`payment_intents/${intent.id}`)).status, status);
  });
}

test("a payment one click away asks the bank by handleNextAction", async () => {
  const customer = await ask("customers", {});
  await ask("payment_methods/pm_card_authenticationRequired/attach", { customer: customer.id });
  const [kept] = (await ask(`customers/${customer.id}/payment_methods`)).data;
  const intent = await payment({ customer: customer.id, payment_method: kept.id, confirm: "true", return_url: "https://example.com/" });
  await page.evaluate((key) => { window.stripe = window.Stripe(key); }, card.stripe.publishable_key);
  const next = page.evaluate((clientSecret) => window.stripe.handleNextAction({ clientSecret }), intent.client_secret);
  await bank("Agree");
  assert.equal((await next).paymentIntent.status, "succeeded");
});

test("a card is kept by a setup intent", async () => {
  const customer = await ask("customers", {});
  const intent = await ask("setup_intents", { customer: customer.id });
  await fill("4000002500003155", { mode: "setup", currency: "usd" });
  const [told] = await Promise.all([confirm(intent.client_secret, "confirmSetup"), bank("Agree")]);
  assert.equal(told.setupIntent.status, "succeeded");
  assert.equal((await ask(`customers/${customer.id}/payment_methods`)).data.length, 1);
});

test("a payment may stay open, and a page may never hear of one that is paid", async () => {
  const open = await payment();
  await fill("4000000000001000");
  assert.equal((await confirm(open.client_secret)).paymentIntent.status, "processing");
  await page.reload();
  const lost = await payment();
  await fill("4000000000001018");
  confirm(lost.client_secret).catch(() => {});
  await until("paid", async () => (await ask(`payment_intents/${lost.id}`)).status === "succeeded");
  assert.equal(new URL(page.url()).pathname, "/pay");
});

test("a form opened for another amount does not pay", async () => {
  const intent = await payment();
  await fill("4242424242424242", { mode: "payment", amount: 900, currency: "usd" });
  const { error } = await confirm(intent.client_secret);
  assert.equal(error.param, "amount");
});
