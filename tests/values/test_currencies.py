"""Currencies as bills name them: of many spellings each is known, refused, or left unread, never another one."""

from __future__ import annotations

import pytest

from ledger.values.currencies import Named, currency_named, named_in, says_currency

HEADERS = {
    "USD": [
        "cost_usd", "CostInUSD", "costInUsd", "USDCost", "Cost (USD)", "Cost ($)", "Cost in $", "US$", "Cost [US$]",
        "amount_usd_total", "TOTAL USD", "Amount($)", "金额(美元)", "Cost in US dollars", "totalcostusd", "费用（USD）",
        "Betrag in USD", "cost.usd", "Spend ＄",
    ],
    "CNY": [
        "spend_cny", "应付金额(元)", "应付金额（元）", "应付金额元", "金额(人民币)", "RMB金额", "Amount ¥", "金额￥",
        "cost_rmb", "Amount (CN¥)", "yuan",
    ],
    "EUR": ["Kosten (€)", "Betrag in EUR", "cost_eur", "Montant (euros)", "costInEur"],
    "CRD": ["credits", "Credits used", "amount_credits", "amount (CRD)"],
    "JPY": ["Amount (JPY)", "cost_jpy", "Amount (JPY ¥)"],
    "CAD": ["Cost (CAD)", "Cost (C$)", "Cost (CA$)", "Montant ($ CA)", "Cost ($CAD)"],
    "CHF": ["Kosten in CHF"],
    "HKD": ["Cost (HK$)", "金额(港币)"],
    "AUD": ["Cost A$"], "BRL": ["Custo (R$)"], "TWD": ["Cost (NT$)"], "INR": ["Cost ₹"], "TRY": ["Tutar (TRY)"],
}  # fmt: skip


@pytest.mark.parametrize(("code", "header"), [(code, header) for code, found in HEADERS.items() for header in found])
def test_a_header_names_its_currency(code: str, header: str) -> None:
    assert named_in(header) == Named(frozenset({code}), None, None)


@pytest.mark.parametrize(
    "header",
    [
        "amount", "Cost", "Amount (net)", "Amount (NET)", "total_all_in", "Top cost", "Betrag", "应付金额", "单元",
        "Valeur", "Coût employeur", "PayableAmount", "分摊金额", "Gesamt (Summe)", "percentage", "cost_per_day",
        "credit amount", "AMD instances", "K8s cost", "gpt-nano cost", "Microsoft cost", "E3 licences", "CT scans",
    ],
)  # fmt: skip
def test_other_headers_name_none(header: str) -> None:
    assert named_in(header) == Named(frozenset(), None, None)


@pytest.mark.parametrize("header", ["Cost (XX$)", "Z$", "Cost (₿)", "Amount (XBT)", "Cost [BTC]", "$B"])
def test_a_sign_that_is_of_no_known_currency_is_found(header: str) -> None:
    assert named_in(header).unknown is not None


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("Subtotal after credits ($)", {"CRD", "USD"}),
        ("Cost USD/EUR", {"USD", "EUR"}),
        ("USD (converted from CNY)", {"USD", "CNY"}),
        ("CAD $", {"CAD", "USD"}),
    ],
)
def test_a_header_with_several_readings_has_them_all(header: str, codes: set[str]) -> None:
    assert named_in(header).codes == codes
    assert len(named_in("Cost in dollars").codes) > 1


@pytest.mark.parametrize(
    "header",
    [
        "USD cents", "amount_cents", "cents", "分", "金额(分)", "应付金额（分）", "costInCents", "Amount (¢)",
        "cost_micros", "Betrag in Tsd. EUR", "TEUR", "kUSD", "Cost (k€)", "万元", "金额(万美元)", "Cost in thousands",
        "USD (000s)", "EUR 1.000", "pence", "amount_minor", "cost_microusd", "cost_nano_usd", "nanoUsd", "µUSD", "mUSD",
        "Cost (k USD)", "Cost (k$)", "Cost $M", "US$ m", "USD mn", "cost_in_usd_m", "cost_in_usd_ticks", "usdcents",
        "microcents", "cost_ct", "USD cts", "units_nanos", "amount_usd_e6", "USD x 10^-6", "金额(厘)", "USD hundredths",
    ],
)  # fmt: skip
def test_parts_and_multiples_of_a_unit_are_found(header: str) -> None:
    assert named_in(header).scale is not None


@pytest.mark.parametrize(
    "header",
    [
        "Currency", "currency_code", "currencyCode", "Billing currency", "amount_currency", "BillingCurrency", "币种",
        "结算币种", "货币", "Währung", "Devise", "moneda", "CURRENCY",
    ],
)  # fmt: skip
def test_a_column_says_that_it_is_of_currencies(header: str) -> None:
    assert says_currency(header)
    assert not says_currency("current_month")


@pytest.mark.parametrize(
    ("word", "code"),
    [("人民币", "CNY"), ("usd", "USD"), ("HK$", "HKD"), ("US$", "USD"), ("＄", "USD"), ("kr", None), ("apples", None)],
)
def test_a_word_is_a_currency_or_none(word: str, code: str | None) -> None:
    assert currency_named(word) == code
