"""The columns of FOCUS exports: FOCUS's own in the order of its specification, which is alphabetical, then the x_ ones.

CommitmentDiscountId and CommitmentDiscountStatus are never set: conditions of FOCUS's rules name them.
"""

from __future__ import annotations

from ledger.exports.formats.columns import Column

COLUMNS = (
    Column("BilledCost", "decimal"),
    Column("BillingAccountId", "text"),
    Column("BillingAccountName", "text"),
    Column("BillingCurrency", "word"),
    Column("BillingPeriodEnd", "time"),
    Column("BillingPeriodStart", "time"),
    Column("ChargeCategory", "word"),
    Column("ChargeClass", "word"),
    Column("ChargeDescription", "text"),
    Column("ChargeFrequency", "word"),
    Column("ChargePeriodEnd", "time"),
    Column("ChargePeriodStart", "time"),
    Column("CommitmentDiscountId", "word"),
    Column("CommitmentDiscountStatus", "word"),
    Column("ConsumedQuantity", "decimal"),
    Column("ConsumedUnit", "word"),
    Column("ContractedCost", "decimal"),
    Column("ContractedUnitPrice", "decimal"),
    Column("EffectiveCost", "decimal"),
    Column("InvoiceId", "text"),
    Column("InvoiceIssuerName", "text"),
    Column("ListCost", "decimal"),
    Column("ListUnitPrice", "decimal"),
    Column("PricingCategory", "word"),
    Column("PricingCurrency", "word"),
    Column("PricingCurrencyContractedUnitPrice", "decimal"),
    Column("PricingCurrencyEffectiveCost", "decimal"),
    Column("PricingCurrencyListUnitPrice", "decimal"),
    Column("PricingQuantity", "decimal"),
    Column("PricingUnit", "word"),
    Column("ProviderName", "text"),
    Column("PublisherName", "text"),
    Column("ServiceCategory", "word"),
    Column("ServiceName", "text"),
    Column("ServiceSubcategory", "word"),
    Column("SkuId", "text"),
    Column("SkuMeter", "word"),
    Column("SkuPriceDetails", "facts"),
    Column("SkuPriceId", "text"),
    Column("SubAccountId", "text"),
    Column("SubAccountName", "text"),
    Column("Tags", "facts"),
    Column("x_ChargeKind", "word"),
    Column("x_ConversionRate", "decimal"),
    Column("x_CostCenter", "text"),
    Column("x_Lot", "count"),
    Column("x_Meter", "word"),
    Column("x_ModelId", "text"),
    Column("x_Owner", "text"),
    Column("x_PromptTier", "word"),
    Column("x_Provider", "text"),
    Column("x_RateEntry", "text"),
    Column("x_Reason", "text"),
    Column("x_Reference", "text"),
)

# What a row of a single charge line has besides.
LINE_COLUMNS = (
    Column("x_ChargeSequence", "count"),
    Column("x_LedgerClass", "word"),
    Column("x_LineId", "word"),
    Column("x_OccurredAt", "time"),
    Column("x_RequestId", "text"),
    Column("x_Source", "text"),
)
