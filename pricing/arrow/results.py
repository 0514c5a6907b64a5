"""The columns that pricing adds to the rows of a batch, filled in a group of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pricing.arrow.schema import RESULT_SCHEMA
from pricing.batch import COUNT_OF
from pricing.rate_entry import STORAGE_TIER
from pricing.record_fields import FEW_HAVE
from pricing.usage import epoch_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pricing.arrow.columns import Mask
    from pricing.batch import BatchCharges
    from pricing.errors import PricingError, RecordError
    from pricing.money import Int64Array
    from pricing.rate_card import RateCard
    from pricing.storage_batch import StorageCharges

    Refusal = PricingError | RecordError

_AMOUNTS = [name for name in RESULT_SCHEMA.names if name.endswith("_nano") and name != "per_usd_nano"]
# Of meters that few requests have: null without tokens or calls, which are in these columns.
COUNT_OF_SELDOM = {f"{meter}_nano": count for meter, count in COUNT_OF.items() if count in FEW_HAVE}


class _Coded:
    """A text a row, by its place among the distinct ones."""

    def __init__(self, length: int) -> None:
        self.codes = np.full(length, -1, np.int32)
        self._places: dict[str, int] = {}

    def set(self, rows: Any, texts: Iterable[str], codes: Int64Array | int) -> None:  # noqa: ANN401 - any index
        """Sets rows to the texts of their codes."""
        places = [self._places.setdefault(text, len(self._places)) for text in texts]
        self.codes[rows] = np.array(places, np.int32)[codes]

    def array(self, absent: Mask) -> Any:  # noqa: ANN401 - pyarrow has no types
        codes = pa.array(self.codes, mask=absent)
        return pa.DictionaryArray.from_arrays(codes, pa.array(list(self._places), pa.string()))


class Results:
    """The columns of RESULT_SCHEMA; a row is open until it is refused or found pending."""

    def __init__(self, is_pending: Mask) -> None:
        """All rows but these are open."""
        length = len(is_pending)
        self._texts = {field.name: _Coded(length) for field in RESULT_SCHEMA if pa.types.is_dictionary(field.type)}
        self._numbers = {
            field.name: np.zeros(length, np.int64) for field in RESULT_SCHEMA if field.name not in self._texts
        }
        self._absent: dict[str, Mask] = {name: np.ones(length, bool) for name in (*COUNT_OF_SELDOM, "per_usd_nano")}
        self._texts["outcome"].set(slice(None), ["accepted"], 0)
        self._texts["outcome"].set(is_pending, ["pending"], 0)
        self.is_open: Mask = ~is_pending

    def refuse(self, errors: Mapping[int, Refusal]) -> None:
        """Refuses rows, but those that are refused for another reason already."""
        rows = np.fromiter(errors, np.int64, len(errors))
        self.refuse_alike(rows, list(errors.values()), np.arange(len(rows)))

    def refuse_alike(self, rows: Int64Array, errors: Sequence[Refusal], codes: Int64Array) -> None:
        """Refuses rows as `refuse`, each for the error of its code."""
        still = self._texts["reason"].codes[rows] < 0
        rows, codes = rows[still], codes[still]
        self._texts["outcome"].set(rows, ["rejected"], np.zeros_like(codes))
        self._texts["reason"].set(rows, [error.reason for error in errors], codes)
        self._texts["message"].set(rows, [str(error) for error in errors], codes)
        self.is_open[rows] = False

    def set_models(self, rows: Int64Array, billed: list[tuple[str, bool]], codes: Int64Array) -> None:
        """Sets the models that rows are billed as, and whether another one answered."""
        self._texts["billed_model"].set(rows, [model for model, _differs in billed], codes)
        self._numbers["model_differs"][rows] = np.array([differs for _model, differs in billed], np.int64)[codes]

    def set_charges(self, rows: Int64Array, batch: BatchCharges | StorageCharges) -> None:
        """Sets price entries, tiers and amounts; what is refused is set to anything."""
        entries = batch.entries
        self._texts["rate_entry"].set(rows, [entry.key for entry in entries], batch.entry_index)
        labels = [label for entry in entries for label in (STORAGE_TIER, *(tier.label for tier in entry.tiers))]
        first = np.cumsum([1, *(len(entry.tiers) + 1 for entry in entries)])[:-1]
        self._texts["tier"].set(rows, labels, first[batch.entry_index] + batch.tier_index)
        for name in _AMOUNTS:
            if hasattr(batch, name):
                self._numbers[name][rows] = getattr(batch, name)

    def set_absent(self, name: str, rows: Int64Array, absent: Mask) -> None:
        """Sets where a row has none of an optional amount."""
        self._absent[name][rows] = absent

    def set_conversions(self, rows: Int64Array, card: RateCard, places: Int64Array) -> None:
        """Sets the currency, and the conversion to USD where the card has one."""
        self._texts["currency"].set(rows, [card.currency], 0)
        if card.conversions:
            stated = [(each.per_usd_nano, epoch_us(each.effective_from)) for each in card.conversions]
            for name, figures in zip(("per_usd_nano", "conversion_from"), np.array(stated, np.int64).T, strict=True):
                self._numbers[name][rows] = figures[places]
            self._absent["per_usd_nano"][rows] = False

    def arrays(self) -> list[Any]:
        """Returns the columns in the order of RESULT_SCHEMA."""
        self._absent["conversion_from"] = self._absent["per_usd_nano"]
        return [self._array(field) for field in RESULT_SCHEMA]

    def _array(self, field: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        name, refused = field.name, self._texts["reason"].codes >= 0
        if name == "outcome":
            return self._texts[name].array(np.zeros(len(refused), bool))
        if name in ("reason", "message"):
            return self._texts[name].array(~refused)
        if name in self._texts:
            return self._texts[name].array(~self.is_open)
        absent = ~self.is_open | self._absent[name] if name in self._absent else ~self.is_open
        return pa.array(self._numbers[name], mask=absent).cast(field.type)
