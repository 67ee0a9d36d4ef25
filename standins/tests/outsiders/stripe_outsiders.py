"""Stripe's own library drives the stand-in, Stripe's own description judges its answers.

usage: stripe_outsiders.py PROGRAM SPEC     (packages: stripe, jsonschema)
"""

import concurrent.futures
import http.server
import json
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

import stripe
from shape import Shapes

PROGRAM, SPEC = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:3])
DAY = 86_400
PATIENCE_SECS = 20
LISTS = [
    "customers", "payment_intents", "setup_intents", "charges", "refunds", "disputes", "products", "prices", "coupons",
    "subscriptions?status=all", "invoices", "invoice_payments", "events", "webhook_endpoints",
]
BACK = {"return_url": "https://example.com/back"}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes webhooks as they come."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.came.put((body, self.headers["Stripe-Signature"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Outsiders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        cls.program = subprocess.Popen([PROGRAM, "--state", cls.dir.name], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop)
        if not cls.program.stdout.readline().startswith("Stand-ins at "):
            raise RuntimeError("the stand-ins did not start")
        cls.card = json.loads((pathlib.Path(cls.dir.name) / "standins.json").read_text())
        cls.base = cls.card["stripe"]["url"]
        cls.client = cls.new_client("sk_test_outsider")
        cls.stripe = cls.client.v1
        cls.shapes = Shapes(SPEC)

    @classmethod
    def stop(cls):
        cls.program.terminate()
        cls.program.wait(PATIENCE_SECS)
        cls.program.stdout.close()
        cls.dir.cleanup()

    @classmethod
    def new_client(cls, key, retries=0):
        return stripe.StripeClient(key, base_addresses={"api": cls.base}, max_network_retries=retries)

    def control(self, path, body, method="POST"):
        request = urllib.request.Request(
            self.card["http"] + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def raw(self, path):
        request = urllib.request.Request(f"{self.base}/v1/{path}", headers={"Authorization": "Bearer sk_test_x"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def advance(self, secs):
        self.control("/_clock", {"advance_secs": secs})

    def customer(self, card=None):
        customer = self.stripe.customers.create(params={"email": "fan@example.com"})
        if card:
            method = self.stripe.payment_methods.attach(card, params={"customer": customer.id})
            settings = {"invoice_settings": {"default_payment_method": method.id}}
            self.stripe.customers.update(customer.id, params=settings)
        return customer

    def price(self, amount=1000, **more):
        price = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "VIP"}, **more}
        return self.stripe.prices.create(params=price)

    def test_customer_pays_and_gets_the_money_back(self):
        customer = self.customer()
        wanted = {"amount": 1999, "currency": "usd", "customer": customer.id, "setup_future_usage": "off_session"}
        payment = self.stripe.payment_intents.create(params={**wanted, "metadata": {"pass_id": "p1"}})
        self.assertEqual(payment.status, "requires_payment_method")
        payment = self.stripe.payment_intents.confirm(payment.id, params={"payment_method": "pm_card_visa", **BACK})
        self.assertEqual((payment.status, payment.amount_received, payment.metadata["pass_id"]), ("succeeded", 1999, "p1"))
        kept = self.stripe.customers.payment_methods.list(customer.id).data
        self.assertEqual([method.id for method in kept], [payment.payment_method])
        refund = self.stripe.refunds.create(params={"payment_intent": payment.id, "amount": 999})
        self.assertEqual((refund.status, refund.amount), ("succeeded", 999))
        self.stripe.refunds.create(params={"payment_intent": payment.id})
        with self.assertRaises(stripe.InvalidRequestError) as refused:
            self.stripe.refunds.create(params={"payment_intent": payment.id})
        self.assertEqual(refused.exception.code, "charge_already_refunded")
        payment = self.stripe.payment_intents.retrieve(payment.id, params={"expand": ["latest_charge"]})
        self.assertTrue(payment.latest_charge.refunded)

    def test_declines_and_questions_are_told_as_documented(self):
        table = [
            ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ]
        for method, code, decline in table:
            with self.assertRaises(stripe.CardError) as refused:
                order = {"amount": 500, "currency": "eur", "payment_method": method, "confirm": True, **BACK}
                self.stripe.payment_intents.create(params=order)
            error = refused.exception
            self.assertEqual((error.http_status, error.code, error.error.decline_code), (402, code, decline))
            self.assertEqual(error.error.payment_intent.status, "requires_payment_method")
            self.assertEqual(self.shapes.complaints(error.json_body["error"]["payment_intent"]), [])
        order = {"amount": 500, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True}
        asked = self.stripe.payment_intents.create(params={**order, **BACK})
        self.assertEqual((asked.status, asked.next_action.type), ("requires_action", "redirect_to_url"))
        self.control("/stripe/_act", {"act": "answer_bank", "intent": asked.id, "agrees": True})
        self.assertEqual(self.stripe.payment_intents.retrieve(asked.id).status, "succeeded")
        with self.assertRaises(stripe.CardError) as refused:
            self.stripe.payment_intents.create(params={**order, "off_session": True, **BACK})
        self.assertEqual(refused.exception.code, "authentication_required")

    def test_subscription_with_trial_and_fee_runs_through_the_clock(self):
        customer = self.customer()
        monthly, fee = self.price(recurring={"interval": "month"}), self.price(300)
        subscription = self.stripe.subscriptions.create(params={
            "customer": customer.id, "items": [{"price": monthly.id}], "trial_period_days": 7,
            "add_invoice_items": [{"price": fee.id}], "payment_behavior": "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
            "expand": ["latest_invoice.confirmation_secret", "pending_setup_intent", "latest_invoice.payments"],
        })
        self.assertEqual((subscription.status, subscription.latest_invoice.amount_due), ("incomplete", 300))
        secret = subscription.latest_invoice.confirmation_secret.client_secret
        payment = secret.split("_secret_")[0]
        self.stripe.payment_intents.confirm(payment, params={"payment_method": "pm_card_visa"})
        subscription = self.stripe.subscriptions.retrieve(subscription.id)
        self.assertEqual(subscription.status, "trialing")
        self.advance(7 * DAY + 3_700)
        subscription = self.stripe.subscriptions.retrieve(subscription.id, params={"expand": ["latest_invoice"]})
        self.assertEqual((subscription.status, subscription.latest_invoice.status), ("active", "paid"))
        self.assertEqual(subscription.latest_invoice.parent.subscription_details.subscription, subscription.id)
        self.control("/stripe/_act", {"act": "fail_next_renewal", "subscription": subscription.id, "times": 4})
        self.advance(31 * DAY + 3_700)
        self.assertEqual(self.stripe.subscriptions.retrieve(subscription.id).status, "past_due")
        self.advance(16 * DAY)
        self.assertEqual(self.stripe.subscriptions.retrieve(subscription.id).status, "canceled")

    def test_trial_without_fee_asks_for_a_card_by_setup_intent(self):
        monthly = self.price(recurring={"interval": "month"})
        subscription = self.stripe.subscriptions.create(params={
            "customer": self.customer().id, "items": [{"price": monthly.id}], "trial_period_days": 14,
            "payment_behavior": "default_incomplete", "expand": ["pending_setup_intent"],
            "payment_settings": {"save_default_payment_method": "on_subscription"},
        })
        self.assertEqual(subscription.status, "trialing")
        setup = subscription.pending_setup_intent
        self.stripe.setup_intents.confirm(setup.id, params={"payment_method": "pm_card_mastercard"})
        subscription = self.stripe.subscriptions.retrieve(subscription.id, params={"expand": ["default_payment_method"]})
        self.assertIsNone(subscription.pending_setup_intent)
        self.assertEqual(subscription.default_payment_method.card.brand, "mastercard")

    def test_a_key_replays_its_answer_and_knows_other_parameters(self):
        options = {"idempotency_key": "once"}
        order = {"amount": 700, "currency": "usd"}
        first = self.stripe.payment_intents.create(params=order, options=options)
        again = self.stripe.payment_intents.create(params=order, options=options)
        self.assertEqual(first.id, again.id)
        self.assertEqual(again.last_response.headers["Idempotent-Replayed"], "true")
        with self.assertRaises(stripe.IdempotencyError):
            self.stripe.payment_intents.create(params={**order, "amount": 701}, options=options)
        self.control("/_faults", {
            "provider": "stripe", "method": "POST", "path": "payment_intents", "action": "drop_response", "times": 1,
        })
        before = len(self.stripe.payment_intents.list(params={"limit": 100}).data)
        retrying = self.new_client("sk_test_outsider", retries=2).v1
        retrying.payment_intents.create(params=order, options={"idempotency_key": "lost"})
        self.assertEqual(len(self.stripe.payment_intents.list(params={"limit": 100}).data), before + 1)

    def test_many_at_once_under_one_key_make_one_payment(self):
        def create(_):
            try:
                params = {"amount": 900, "currency": "usd"}
                return self.stripe.payment_intents.create(params=params, options={"idempotency_key": "crowd"}).id
            except stripe.APIError as error:
                self.assertEqual((error.http_status, error.error.code), (409, "idempotency_key_in_use"))
                return None

        with concurrent.futures.ThreadPoolExecutor(8) as crowd:
            made = set(crowd.map(create, range(24)))
        self.assertEqual(len(made - {None}), 1)

    def test_keys_and_parameters_are_judged(self):
        with self.assertRaises(stripe.AuthenticationError):
            self.new_client("sk_live_x").v1.customers.list()
        with self.assertRaises(stripe.InvalidRequestError) as refused:
            self.stripe.customers.create(params={"colour": "red"})
        self.assertEqual((refused.exception.code, refused.exception.param), ("parameter_unknown", "colour"))
        with self.assertRaises(stripe.InvalidRequestError) as refused:
            self.stripe.payment_intents.retrieve("pi_nobody")
        self.assertEqual((refused.exception.http_status, refused.exception.code), (404, "resource_missing"))
        with self.assertRaises(stripe.InvalidRequestError) as refused:
            self.stripe.topups.list()
        self.assertEqual(refused.exception.http_status, 404)
        pages = [self.customer().id for _ in range(5)]
        listed = [one.id for one in self.stripe.customers.list(params={"limit": 2}).auto_paging_iter()]
        self.assertEqual(listed[:5], pages[::-1])

    def test_webhooks_carry_signatures_the_library_accepts(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        server.came = queue.Queue()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        endpoint = self.stripe.webhook_endpoints.create(params={
            "url": f"http://127.0.0.1:{server.server_port}/hook", "api_version": "2026-09-30.endive",
            "enabled_events": ["charge.dispute.created", "payment_intent.succeeded"],
        })
        order = {"amount": 1500, "currency": "usd", "payment_method": "pm_card_createDispute", "confirm": True, **BACK}
        payment = self.stripe.payment_intents.create(params=order)
        kinds = []
        while len(kinds) < 2:
            body, signature = server.came.get(timeout=PATIENCE_SECS)
            # The stand-in's clock may be ahead of ours, so the age of the signature is not judged.
            self.assertTrue(stripe.WebhookSignature.verify_header(body, signature, endpoint.secret, tolerance=None))
            event = json.loads(body)
            self.assertEqual((event["api_version"], self.shapes.complaints(event)), ("2026-09-30.endive", []))
            kinds.append(event["type"])
        self.assertEqual(sorted(kinds), ["charge.dispute.created", "payment_intent.succeeded"])
        dispute = self.stripe.disputes.list(params={"payment_intent": payment.id}).data[0]
        evidence = {"evidence": {"uncategorized_text": "winning_evidence"}}
        self.assertEqual(self.stripe.disputes.update(dispute.id, params=evidence).status, "won")
        self.stripe.webhook_endpoints.delete(endpoint.id)

    @classmethod
    def tearDownClass(cls):
        # Whatever the tests have made, and every event told about it, is judged once at the end.
        self = cls()
        complaints = []
        for name in LISTS:
            mark = "&" if "?" in name else "?"
            page = self.raw(f"{name}{mark}limit=100")
            while page["data"]:
                complaints += self.shapes.complaints(page)
                if name == "events":
                    complaints += [
                        f"{event['type']}: {said}"
                        for event in page["data"] for said in self.shapes.complaints(event["data"]["object"])
                    ]
                if not page["has_more"] or not page["data"][-1].get("id"):
                    break
                page = self.raw(f"{name}{mark}limit=100&starting_after={page['data'][-1]['id']}")
        if complaints:
            raise AssertionError("\n".join(sorted(set(complaints))[:40]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
