// A seller sets the terms of a pass in the studio, and visitors meet them on its page, on a whole engine.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { engine, signIn } from "./engine.mjs";
import { browser, until } from "./house.mjs";

let it, chrome;
before(async () => { [it, chrome] = await Promise.all([engine(), browser()]); });
after(async () => { await chrome?.close(); await it?.stop(); });

async function somebody(name, next) {
  const page = await (await chrome.newContext()).newPage();
  if (name) await signIn(page, it, `${name}@demo.test`, next);
  else await page.goto(it.http + next);
  return page;
}

test("prices, stock, questions and a way onward are set in the studio and met on the page of the pass", { timeout: 120_000 }, async () => {
  const creator = await somebody("creator", "/studio/demo/passes/basic");
  await creator.getByText("Add a price", { exact: true }).click();
  await creator.getByLabel("How it is paid").selectOption("recurring");
  await creator.getByLabel("Price", { exact: true }).fill("12.50");
  await creator.getByRole("button", { name: "Offer it" }).click();
  await creator.getByText("$12.50 a month").waitFor();
  await creator.getByLabel("How many there are").fill("1");
  await creator.getByLabel("Questions before checkout").fill("What do you want to learn? *\nWhere did you hear of us?");
  await creator.getByLabel("Send them on to").fill("https://forum.example.org/hello");
  await creator.locator("section[aria-labelledby=terms-h] button[type=submit]").click();
  await creator.getByText("1 left").waitFor();

  const visitor = await somebody("visitor", "/demo/basic");
  await visitor.getByRole("radio", { name: /\$12\.50 a month/ }).check();
  await visitor.getByLabel("What do you want to learn?").fill("Everything");
  await visitor.getByRole("button", { name: "Join", exact: true }).click();
  await visitor.getByText("Payments cannot be taken here yet. Nothing was charged.").waitFor();
  assert.equal(await visitor.getByLabel("What do you want to learn?").inputValue(), "Everything", "what was typed stays");
  await visitor.getByRole("radio", { name: /Free for 7 days/ }).check();
  await visitor.getByRole("button", { name: "Join", exact: true }).click();
  await visitor.getByRole("heading", { name: "Basic is yours" }).waitFor();
  await visitor.route("https://forum.example.org/**", (route) => route.fulfill({ body: "the forum" }));
  await visitor.getByRole("link", { name: "Go on to forum.example.org" }).click();
  await until("the other site is open", () => visitor.url() === "https://forum.example.org/hello");

  const stranger = await somebody(null, "/demo/basic");
  await stranger.getByRole("heading", { name: "Sold out" }).waitFor();
  const [purchase] = it.sql("select status, answers from purchases");
  assert.deepEqual(purchase, { status: "completed", answers: [{ id: "q1", question: "What do you want to learn?", answer: "Everything" }] });
});
