CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE batches (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT, 
	reference TEXT, 
	options TEXT NOT NULL, 
	posted_at INTEGER NOT NULL, 
	first_usage_record_id INTEGER NOT NULL, 
	last_usage_record_id INTEGER NOT NULL, 
	first_charge_id INTEGER NOT NULL, 
	last_charge_id INTEGER NOT NULL, 
	amounts TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	CONSTRAINT pk_batches PRIMARY KEY (id), 
	CONSTRAINT uq_batches_sequence UNIQUE (sequence)
)
 STRICT

;
CREATE INDEX ix_batches_run_id ON batches (run_id);
CREATE UNIQUE INDEX uq_batches_reference ON batches (reference) WHERE reference IS NOT NULL;
CREATE TABLE card_versions (
	id INTEGER NOT NULL, 
	provider TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	content TEXT NOT NULL, 
	reason TEXT, 
	added_at INTEGER NOT NULL, 
	CONSTRAINT pk_card_versions PRIMARY KEY (id), 
	CONSTRAINT ck_card_versions_ck_card_versions_origin CHECK (origin IN ('built-in', 'user'))
)
 STRICT

;
CREATE TABLE conversions (
	id INTEGER NOT NULL, 
	provider TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	per_usd_nano INTEGER NOT NULL, 
	effective_from INTEGER NOT NULL, 
	origin TEXT NOT NULL, 
	source_url TEXT, 
	checked_on TEXT, 
	reason TEXT, 
	added_at INTEGER NOT NULL, 
	CONSTRAINT pk_conversions PRIMARY KEY (id), 
	CONSTRAINT ck_conversions_ck_conversions_origin CHECK (origin IN ('card', 'user')), 
	CONSTRAINT ck_conversions_ck_conversions_positive CHECK (per_usd_nano > 0)
)
 STRICT

;
CREATE TABLE ledger_settings (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_ledger_settings PRIMARY KEY (name)
)
 STRICT

;
CREATE TABLE quarantine (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	message TEXT NOT NULL, 
	file TEXT NOT NULL, 
	line INTEGER NOT NULL, 
	length INTEGER NOT NULL, 
	seen INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	request_id TEXT, 
	occurred_at INTEGER, 
	fields TEXT NOT NULL, 
	complete INTEGER NOT NULL, 
	options TEXT NOT NULL, 
	first_seen_at INTEGER NOT NULL, 
	last_seen_at INTEGER NOT NULL, 
	resolution TEXT, 
	resolved_at INTEGER, 
	CONSTRAINT pk_quarantine PRIMARY KEY (id), 
	CONSTRAINT ck_quarantine_ck_quarantine_state CHECK (state IN ('open', 'resolved', 'accepted', 'discarded')), 
	CONSTRAINT uq_quarantine_digest UNIQUE (digest)
)
 STRICT

;
CREATE INDEX ix_quarantine_state ON quarantine (state, occurred_at);
CREATE TABLE rollup_days (
	day TEXT NOT NULL, 
	key_id INTEGER NOT NULL, 
	requests INTEGER NOT NULL, 
	input_tokens INTEGER NOT NULL, 
	cached_input_tokens INTEGER NOT NULL, 
	output_tokens INTEGER NOT NULL, 
	reasoning_tokens INTEGER NOT NULL, 
	storage_token_hours INTEGER NOT NULL, 
	input_nano INTEGER NOT NULL, 
	cached_input_nano INTEGER NOT NULL, 
	output_nano INTEGER NOT NULL, 
	cache_storage_nano INTEGER NOT NULL, 
	amount_nano INTEGER NOT NULL, 
	last_occurred_at INTEGER NOT NULL, cache_write_5m_tokens INTEGER DEFAULT 0 NOT NULL, cache_write_1h_tokens INTEGER DEFAULT 0 NOT NULL, calls INTEGER DEFAULT 0 NOT NULL, cache_write_5m_nano INTEGER DEFAULT 0 NOT NULL, cache_write_1h_nano INTEGER DEFAULT 0 NOT NULL, call_nano INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_rollup_days PRIMARY KEY (day, key_id)
)
 WITHOUT ROWID,
 STRICT

;
CREATE TABLE rollup_keys (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	posted_month TEXT NOT NULL, 
	occurred_month TEXT NOT NULL, 
	source TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	billed_model TEXT NOT NULL, 
	project TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	status TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	charge_class TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	rate_entry_id INTEGER, 
	conversion_id INTEGER, 
	CONSTRAINT pk_rollup_keys PRIMARY KEY (id), 
	CONSTRAINT uq_rollup_keys_digest UNIQUE (digest)
)
 STRICT

;
CREATE TABLE sources (
	source TEXT NOT NULL, 
	last_occurred_at INTEGER NOT NULL, 
	last_ingest_at INTEGER NOT NULL, lake TEXT, 
	CONSTRAINT pk_sources PRIMARY KEY (source)
)
 STRICT

;
CREATE TABLE rate_entries (
	id INTEGER NOT NULL, 
	card_version_id INTEGER NOT NULL, 
	provider TEXT NOT NULL, 
	model TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	effective_from INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	content TEXT NOT NULL, 
	recorded_at INTEGER NOT NULL, 
	CONSTRAINT pk_rate_entries PRIMARY KEY (id), 
	CONSTRAINT fk_rate_entries_card_version_id FOREIGN KEY(card_version_id) REFERENCES card_versions (id), 
	CONSTRAINT uq_rate_entries_digest UNIQUE (digest)
)
 STRICT

;
CREATE TRIGGER conversions_no_update BEFORE UPDATE ON conversions BEGIN SELECT RAISE(ABORT, 'conversions is append-only: post a correction'); END;
CREATE TRIGGER conversions_no_delete BEFORE DELETE ON conversions BEGIN SELECT RAISE(ABORT, 'conversions is append-only: post a correction'); END;
CREATE TRIGGER conversions_no_replace BEFORE INSERT ON conversions WHEN EXISTS (SELECT 1 FROM conversions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'conversions is append-only: post a correction'); END;
CREATE TRIGGER card_versions_no_update BEFORE UPDATE ON card_versions BEGIN SELECT RAISE(ABORT, 'card_versions is append-only: post a correction'); END;
CREATE TRIGGER card_versions_no_delete BEFORE DELETE ON card_versions BEGIN SELECT RAISE(ABORT, 'card_versions is append-only: post a correction'); END;
CREATE TRIGGER card_versions_no_replace BEFORE INSERT ON card_versions WHEN EXISTS (SELECT 1 FROM card_versions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'card_versions is append-only: post a correction'); END;
CREATE TRIGGER rate_entries_no_update BEFORE UPDATE ON rate_entries BEGIN SELECT RAISE(ABORT, 'rate_entries is append-only: post a correction'); END;
CREATE TRIGGER rate_entries_no_delete BEFORE DELETE ON rate_entries BEGIN SELECT RAISE(ABORT, 'rate_entries is append-only: post a correction'); END;
CREATE TRIGGER rate_entries_no_replace BEFORE INSERT ON rate_entries WHEN EXISTS (SELECT 1 FROM rate_entries WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM rate_entries WHERE digest = NEW.digest) BEGIN SELECT RAISE(ABORT, 'rate_entries is append-only: post a correction'); END;
CREATE TRIGGER batches_no_update BEFORE UPDATE ON batches BEGIN SELECT RAISE(ABORT, 'batches is append-only: post a correction'); END;
CREATE TRIGGER batches_no_delete BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'batches is append-only: post a correction'); END;
CREATE TRIGGER batches_no_replace BEFORE INSERT ON batches WHEN EXISTS (SELECT 1 FROM batches WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM batches WHERE sequence = NEW.sequence OR reference = NEW.reference) BEGIN SELECT RAISE(ABORT, 'batches is append-only: post a correction'); END;
CREATE TABLE closings (
	id INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	month TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	at INTEGER NOT NULL, 
	reason TEXT, 
	forced INTEGER NOT NULL, 
	last_charge_id INTEGER NOT NULL, 
	charges INTEGER NOT NULL, 
	amounts TEXT NOT NULL, 
	rows_digest TEXT NOT NULL, 
	billing_mode TEXT NOT NULL, 
	timezone TEXT NOT NULL, 
	export_version INTEGER NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, settings TEXT, 
	CONSTRAINT pk_closings PRIMARY KEY (id), 
	CONSTRAINT ck_closings_ck_closings_action CHECK (action IN ('close', 'reopen')), 
	CONSTRAINT ck_closings_ck_closings_billing_mode CHECK (billing_mode IN ('postpaid', 'prepaid')), 
	CONSTRAINT uq_closings_month_number_action UNIQUE (month, number, action)
)
 STRICT

;
CREATE TRIGGER closings_no_update BEFORE UPDATE ON closings BEGIN SELECT RAISE(ABORT, 'closings is append-only: post a correction'); END;
CREATE TRIGGER closings_no_delete BEFORE DELETE ON closings BEGIN SELECT RAISE(ABORT, 'closings is append-only: post a correction'); END;
CREATE TRIGGER closings_no_replace BEFORE INSERT ON closings WHEN EXISTS (SELECT 1 FROM closings WHERE id = NEW.id OR (month = NEW.month AND number = NEW.number AND action = NEW.action)) BEGIN SELECT RAISE(ABORT, 'closings is append-only: post a correction'); END;
CREATE TABLE wallet_moves (
	id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	credits_nano INTEGER NOT NULL, 
	paid_nano INTEGER NOT NULL, 
	day TEXT NOT NULL, 
	expires TEXT, 
	reason TEXT, 
	reference TEXT NOT NULL, 
	recorded_at INTEGER NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_wallet_moves PRIMARY KEY (id), 
	CONSTRAINT ck_wallet_moves_ck_wallet_moves_credits CHECK (credits_nano > 0), 
	CONSTRAINT ck_wallet_moves_ck_wallet_moves_kind CHECK (CASE kind WHEN 'purchased' THEN paid_nano > 0 WHEN 'granted' THEN paid_nano = 0 WHEN 'draw' THEN paid_nano = 0 AND expires IS NULL AND reason IS NOT NULL ELSE 1 = 0 END), 
	CONSTRAINT ck_wallet_moves_ck_wallet_moves_expires CHECK (expires IS NULL OR expires >= day), 
	CONSTRAINT uq_wallet_moves_reference UNIQUE (reference)
)
 STRICT

;
CREATE TABLE wallet_entries (
	id INTEGER NOT NULL, 
	closing_id INTEGER NOT NULL, 
	provider TEXT NOT NULL, 
	day TEXT NOT NULL, 
	from_account TEXT NOT NULL, 
	to_account TEXT NOT NULL, 
	lot_id INTEGER, 
	amount_nano INTEGER NOT NULL, 
	CONSTRAINT pk_wallet_entries PRIMARY KEY (id), 
	CONSTRAINT ck_wallet_entries_ck_wallet_entries_amount CHECK (amount_nano > 0), 
	CONSTRAINT ck_wallet_entries_ck_wallet_entries_accounts CHECK (from_account || '>' || to_account IN ('purchased>balance', 'granted>balance', 'balance>used', 'balance>adjustment', 'balance>expired', 'balance>overdrawn', 'overdrawn>used', 'overdrawn>adjustment', 'used>balance', 'used>overdrawn')), 
	CONSTRAINT fk_wallet_entries_closing_id FOREIGN KEY(closing_id) REFERENCES closings (id), 
	CONSTRAINT fk_wallet_entries_lot_id FOREIGN KEY(lot_id) REFERENCES wallet_moves (id)
)
 STRICT

;
CREATE INDEX ix_wallet_entries_closing_id ON wallet_entries (closing_id);
CREATE TRIGGER wallet_moves_no_update BEFORE UPDATE ON wallet_moves BEGIN SELECT RAISE(ABORT, 'wallet_moves is append-only: post a correction'); END;
CREATE TRIGGER wallet_moves_no_delete BEFORE DELETE ON wallet_moves BEGIN SELECT RAISE(ABORT, 'wallet_moves is append-only: post a correction'); END;
CREATE TRIGGER wallet_moves_no_replace BEFORE INSERT ON wallet_moves WHEN EXISTS (SELECT 1 FROM wallet_moves WHERE id = NEW.id OR reference = NEW.reference) BEGIN SELECT RAISE(ABORT, 'wallet_moves is append-only: post a correction'); END;
CREATE TRIGGER wallet_entries_no_update BEFORE UPDATE ON wallet_entries BEGIN SELECT RAISE(ABORT, 'wallet_entries is append-only: post a correction'); END;
CREATE TRIGGER wallet_entries_no_delete BEFORE DELETE ON wallet_entries BEGIN SELECT RAISE(ABORT, 'wallet_entries is append-only: post a correction'); END;
CREATE TRIGGER wallet_entries_no_replace BEFORE INSERT ON wallet_entries WHEN EXISTS (SELECT 1 FROM wallet_entries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'wallet_entries is append-only: post a correction'); END;
CREATE TABLE projects (
	id INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT, 
	owner TEXT, 
	cost_center TEXT, 
	aliases TEXT NOT NULL, 
	removed INTEGER NOT NULL, 
	recorded_at INTEGER NOT NULL, 
	closing_id INTEGER NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (id), 
	CONSTRAINT ck_projects_ck_projects_removed CHECK (removed = 0 OR (name IS NULL AND owner IS NULL AND cost_center IS NULL))
)
 STRICT

;
CREATE TRIGGER projects_no_update BEFORE UPDATE ON projects BEGIN SELECT RAISE(ABORT, 'projects is append-only: apply tollbook.toml again'); END;
CREATE TRIGGER projects_no_delete BEFORE DELETE ON projects BEGIN SELECT RAISE(ABORT, 'projects is append-only: apply tollbook.toml again'); END;
CREATE TRIGGER projects_no_replace BEFORE INSERT ON projects WHEN EXISTS (SELECT 1 FROM projects WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'projects is append-only: apply tollbook.toml again'); END;
CREATE TABLE budgets (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	amount_nano INTEGER NOT NULL, 
	currency TEXT NOT NULL, 
	period TEXT NOT NULL, 
	effective_from TEXT NOT NULL, 
	projects TEXT NOT NULL, 
	models TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	alerts TEXT NOT NULL, 
	alert_forecast TEXT NOT NULL, 
	months TEXT NOT NULL, 
	owner TEXT, 
	notify TEXT, 
	removed INTEGER NOT NULL, 
	recorded_at INTEGER NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_budgets PRIMARY KEY (id), 
	CONSTRAINT ck_budgets_ck_budgets_period CHECK (period IN ('day', 'week', 'month', 'quarter', 'year')), 
	CONSTRAINT ck_budgets_ck_budgets_amount CHECK (removed = 1 AND amount_nano = 0 OR removed = 0 AND amount_nano > 0)
)
 STRICT

;
CREATE TRIGGER budgets_no_update BEFORE UPDATE ON budgets BEGIN SELECT RAISE(ABORT, 'budgets is append-only: set the budget again'); END;
CREATE TRIGGER budgets_no_delete BEFORE DELETE ON budgets BEGIN SELECT RAISE(ABORT, 'budgets is append-only: set the budget again'); END;
CREATE TRIGGER budgets_no_replace BEFORE INSERT ON budgets WHEN EXISTS (SELECT 1 FROM budgets WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'budgets is append-only: set the budget again'); END;
CREATE TABLE budget_events (
	id INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	period TEXT NOT NULL, 
	percent INTEGER NOT NULL, 
	currency TEXT NOT NULL, 
	amount_nano INTEGER NOT NULL, 
	reached_nano INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	recorded_at INTEGER NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_budget_events PRIMARY KEY (id), 
	CONSTRAINT ck_budget_events_ck_budget_events_kind CHECK (kind IN ('actual', 'forecast', 'silent', 'back', 'weekly', 'monthly')), 
	CONSTRAINT uq_budget_events_event_id UNIQUE (event_id), 
	CONSTRAINT uq_budget_events_identity UNIQUE (kind, name, period, percent, currency, amount_nano)
)
 STRICT

;
CREATE TABLE budget_deliveries (
	id INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	channel TEXT, 
	error TEXT, 
	changed_at INTEGER NOT NULL, 
	CONSTRAINT pk_budget_deliveries PRIMARY KEY (id), 
	CONSTRAINT ck_budget_deliveries_ck_budget_deliveries_state CHECK (state IN ('waiting', 'claimed', 'failed', 'delivered')), 
	CONSTRAINT fk_budget_deliveries_id FOREIGN KEY(id) REFERENCES budget_events (id)
)
 STRICT

;
CREATE TRIGGER budget_events_no_update BEFORE UPDATE ON budget_events BEGIN SELECT RAISE(ABORT, 'budget_events is append-only: an event stays as it was seen'); END;
CREATE TRIGGER budget_events_no_delete BEFORE DELETE ON budget_events BEGIN SELECT RAISE(ABORT, 'budget_events is append-only: an event stays as it was seen'); END;
CREATE TRIGGER budget_events_no_replace BEFORE INSERT ON budget_events WHEN EXISTS (SELECT 1 FROM budget_events WHERE id = NEW.id OR event_id = NEW.event_id OR (kind = NEW.kind AND name = NEW.name AND period = NEW.period AND percent = NEW.percent AND currency = NEW.currency AND amount_nano = NEW.amount_nano)) BEGIN SELECT RAISE(ABORT, 'budget_events is append-only: an event stays as it was seen'); END;
CREATE TABLE log_entries (
	id INTEGER NOT NULL, 
	at INTEGER NOT NULL, 
	actor TEXT NOT NULL, 
	version TEXT NOT NULL, 
	rows TEXT NOT NULL, 
	settled TEXT, 
	held TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_log_entries PRIMARY KEY (id)
)
 STRICT

;
CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries BEGIN SELECT RAISE(ABORT, 'log_entries is append-only: what was done stays done'); END;
CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries BEGIN SELECT RAISE(ABORT, 'log_entries is append-only: what was done stays done'); END;
CREATE TRIGGER log_entries_no_replace BEFORE INSERT ON log_entries WHEN EXISTS (SELECT 1 FROM log_entries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'log_entries is append-only: what was done stays done'); END;
CREATE TABLE rollup_quarters (
	half_day INTEGER NOT NULL, 
	key_id INTEGER NOT NULL, 
	quarters INTEGER NOT NULL, 
	cells BLOB NOT NULL, 
	CONSTRAINT pk_rollup_quarters PRIMARY KEY (half_day, key_id)
)
 STRICT

;
CREATE TABLE streams (
	id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	CONSTRAINT pk_streams PRIMARY KEY (id), 
	CONSTRAINT uq_streams_source_kind UNIQUE (source, kind), 
	CONSTRAINT ck_streams_kind CHECK (kind IN ('request', 'cache_storage'))
)
 STRICT

;
CREATE TABLE record_keys (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	requested_model TEXT, 
	reported_model TEXT, 
	project TEXT NOT NULL, 
	status TEXT NOT NULL, 
	service_tier TEXT, 
	occurred_month TEXT, 
	posted_month TEXT, 
	currency TEXT, 
	billed_model TEXT, 
	model_differs INTEGER, 
	rate_entry_id INTEGER, 
	conversion_id INTEGER, 
	tier TEXT, 
	CONSTRAINT pk_record_keys PRIMARY KEY (id), 
	CONSTRAINT uq_record_keys_digest UNIQUE (digest)
)
 STRICT

;
CREATE TABLE booked_usage (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	key_id INTEGER NOT NULL, 
	stream_id INTEGER NOT NULL, 
	request_id TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	occurred_at INTEGER NOT NULL, 
	input_tokens INTEGER NOT NULL, 
	cached_input_tokens INTEGER NOT NULL, 
	output_tokens INTEGER NOT NULL, 
	reasoning_tokens INTEGER NOT NULL, 
	input_nano INTEGER, 
	cached_input_nano INTEGER, 
	output_nano INTEGER, 
	tags TEXT, 
	cache_storage_nano INTEGER, 
	storage_tokens INTEGER, 
	storage_end INTEGER, 
	provider_amount_nano INTEGER, 
	assumed INTEGER, 
	tool_calls INTEGER, 
	cache_write_5m_tokens INTEGER, 
	cache_write_1h_tokens INTEGER, 
	calls INTEGER, 
	cache_write_5m_nano INTEGER, 
	cache_write_1h_nano INTEGER, 
	call_nano INTEGER, 
	recorded_id INTEGER, 
	CONSTRAINT pk_booked_usage PRIMARY KEY (id), 
	CONSTRAINT ck_booked_usage_facts CHECK (0 <= cached_input_tokens AND cached_input_tokens + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) <= input_tokens AND 0 <= coalesce(cache_write_5m_tokens, 0) AND 0 <= coalesce(cache_write_1h_tokens, 0) AND 0 <= coalesce(calls, 0) AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens), 
	CONSTRAINT uq_booked_usage_identity UNIQUE (request_id, stream_id, generation)
)
 STRICT

;
CREATE TABLE booked_corrections (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	usage_record_id INTEGER, 
	charge_class TEXT NOT NULL, 
	corrects_id INTEGER, 
	occurred_month TEXT NOT NULL, 
	posted_month TEXT NOT NULL, 
	project TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	billed_model TEXT NOT NULL, 
	model_differs INTEGER NOT NULL, 
	rate_entry_id INTEGER, 
	conversion_id INTEGER, 
	tier TEXT NOT NULL, 
	input_nano INTEGER NOT NULL, 
	cached_input_nano INTEGER NOT NULL, 
	output_nano INTEGER NOT NULL, 
	cache_storage_nano INTEGER NOT NULL, 
	amount_nano INTEGER NOT NULL, 
	cache_write_5m_nano INTEGER, 
	cache_write_1h_nano INTEGER, 
	call_nano INTEGER, 
	CONSTRAINT pk_booked_corrections PRIMARY KEY (id), 
	CONSTRAINT ck_booked_corrections_charge_class CHECK (CASE charge_class WHEN 'replacement' THEN corrects_id IS NOT NULL AND usage_record_id IS NOT NULL AND amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano + coalesce(cache_write_5m_nano, 0) + coalesce(cache_write_1h_nano, 0) + coalesce(call_nano, 0) WHEN 'reversal' THEN corrects_id IS NOT NULL WHEN 'adjustment' THEN corrects_id IS NULL ELSE 1 = 0 END)
)
 STRICT

;
CREATE INDEX ix_booked_usage_tool_calls ON booked_usage (tool_calls) WHERE tool_calls IS NOT NULL;
CREATE INDEX ix_booked_corrections_usage_record_id ON booked_corrections (usage_record_id);
CREATE UNIQUE INDEX uq_booked_corrections_corrects_id ON booked_corrections (corrects_id, charge_class) WHERE corrects_id IS NOT NULL;
CREATE TRIGGER booked_usage_no_replace BEFORE INSERT ON booked_usage WHEN EXISTS (SELECT 1 FROM booked_usage WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM booked_usage WHERE request_id = NEW.request_id AND stream_id = NEW.stream_id AND generation = NEW.generation) BEGIN SELECT CASE WHEN EXISTS (SELECT 1 FROM booked_usage WHERE id = NEW.id) THEN RAISE(ABORT, 'booked_usage is append-only: post a correction') ELSE RAISE(IGNORE) END; END;
CREATE TRIGGER booked_corrections_no_update BEFORE UPDATE ON booked_corrections BEGIN SELECT RAISE(ABORT, 'booked_corrections is append-only: post a correction'); END;
CREATE TRIGGER booked_corrections_no_delete BEFORE DELETE ON booked_corrections BEGIN SELECT RAISE(ABORT, 'booked_corrections is append-only: post a correction'); END;
CREATE TRIGGER booked_corrections_no_replace BEFORE INSERT ON booked_corrections WHEN EXISTS (SELECT 1 FROM booked_corrections WHERE id = NEW.id) OR (NEW.corrects_id IS NOT NULL AND EXISTS (SELECT 1 FROM booked_corrections WHERE corrects_id = NEW.corrects_id AND charge_class = NEW.charge_class)) BEGIN SELECT RAISE(ABORT, 'booked_corrections is append-only: post a correction'); END;
CREATE TRIGGER record_keys_no_update BEFORE UPDATE ON record_keys BEGIN SELECT RAISE(ABORT, 'record_keys is append-only: post a correction'); END;
CREATE TRIGGER record_keys_no_delete BEFORE DELETE ON record_keys BEGIN SELECT RAISE(ABORT, 'record_keys is append-only: post a correction'); END;
CREATE TRIGGER record_keys_no_replace BEFORE INSERT ON record_keys WHEN EXISTS (SELECT 1 FROM record_keys WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM record_keys WHERE digest = NEW.digest) BEGIN SELECT RAISE(ABORT, 'record_keys is append-only: post a correction'); END;
CREATE TRIGGER streams_no_update BEFORE UPDATE ON streams BEGIN SELECT RAISE(ABORT, 'streams is append-only: post a correction'); END;
CREATE TRIGGER streams_no_delete BEFORE DELETE ON streams BEGIN SELECT RAISE(ABORT, 'streams is append-only: post a correction'); END;
CREATE TRIGGER streams_no_replace BEFORE INSERT ON streams WHEN EXISTS (SELECT 1 FROM streams WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM streams WHERE source = NEW.source AND kind = NEW.kind) BEGIN SELECT RAISE(ABORT, 'streams is append-only: post a correction'); END;
CREATE VIEW usage_records AS
SELECT b.id, b.batch_id, s.kind, s.source, b.request_id, b.generation, k.provider, b.occurred_at, k.requested_model,
    k.reported_model, k.project, k.status, k.service_tier, b.input_tokens, b.cached_input_tokens, b.output_tokens,
    b.reasoning_tokens, coalesce(b.tags, '{}') AS tags, b.storage_tokens, b.storage_end, b.provider_amount_nano,
    coalesce(b.assumed, 0) AS assumed, b.tool_calls, b.cache_write_5m_tokens, b.cache_write_1h_tokens, b.calls
FROM booked_usage b JOIN record_keys k ON k.id = b.key_id JOIN streams s ON s.id = b.stream_id;
CREATE VIEW charges AS
SELECT b.id, b.batch_id, b.id AS usage_record_id, CAST('charge' AS text) AS charge_class,
    CAST(NULL AS bigint) AS corrects_id, k.occurred_month, k.posted_month, k.project, k.provider, k.currency,
    k.billed_model, k.model_differs, k.rate_entry_id, k.conversion_id, k.tier, b.input_nano, b.cached_input_nano,
    b.output_nano, CAST(coalesce(b.cache_storage_nano, 0) AS bigint) AS cache_storage_nano,
    CAST(input_nano + cached_input_nano + output_nano + coalesce(cache_storage_nano, 0) + coalesce(cache_write_5m_nano, 0) + coalesce(cache_write_1h_nano, 0) + coalesce(call_nano, 0) AS bigint) AS amount_nano, b.cache_write_5m_nano, b.cache_write_1h_nano, b.call_nano
FROM booked_usage b JOIN record_keys k ON k.id = b.key_id WHERE b.input_nano IS NOT NULL
UNION ALL SELECT id, batch_id, usage_record_id, charge_class, corrects_id, occurred_month, posted_month, project, provider, currency, billed_model, model_differs, rate_entry_id, conversion_id, tier, input_nano, cached_input_nano, output_nano, cache_storage_nano, amount_nano, cache_write_5m_nano, cache_write_1h_nano, call_nano FROM booked_corrections;
CREATE TABLE text_seals (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	sealed_by INTEGER NOT NULL, 
	digest TEXT, 
	salt TEXT, 
	rows_digest TEXT, 
	CONSTRAINT pk_text_seals PRIMARY KEY (id), 
	CONSTRAINT uq_text_seals_batch_id_sealed_by UNIQUE (batch_id, sealed_by), 
	CONSTRAINT ck_text_seals_ck_text_seals_digest CHECK ((digest IS NULL) <> (rows_digest IS NULL))
)
 STRICT

;
CREATE TRIGGER text_seals_no_update BEFORE UPDATE OF id, batch_id, sealed_by, digest, rows_digest, rowid, oid, _rowid_ ON text_seals BEGIN SELECT RAISE(ABORT, 'text_seals is append-only: post a correction'); END;
CREATE TRIGGER text_seals_salt_goes BEFORE UPDATE OF salt ON text_seals WHEN NOT (OLD.salt IS NOT NULL AND NEW.salt IS NULL) BEGIN SELECT RAISE(ABORT, 'text_seals is append-only: post a correction'); END;
CREATE TRIGGER text_seals_no_delete BEFORE DELETE ON text_seals BEGIN SELECT RAISE(ABORT, 'text_seals is append-only: post a correction'); END;
CREATE TRIGGER text_seals_no_replace BEFORE INSERT ON text_seals WHEN EXISTS (SELECT 1 FROM text_seals WHERE id = NEW.id OR (batch_id = NEW.batch_id AND sealed_by = NEW.sealed_by)) BEGIN SELECT RAISE(ABORT, 'text_seals is append-only: post a correction'); END;
CREATE TRIGGER booked_usage_no_update BEFORE UPDATE OF id, batch_id, key_id, stream_id, generation, occurred_at, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, input_nano, cached_input_nano, output_nano, cache_storage_nano, storage_tokens, storage_end, provider_amount_nano, assumed, tool_calls, cache_write_5m_tokens, cache_write_1h_tokens, calls, cache_write_5m_nano, cache_write_1h_nano, call_nano, recorded_id, rowid, oid, _rowid_ ON booked_usage BEGIN SELECT RAISE(ABORT, 'booked_usage is append-only: post a correction'); END;
CREATE TRIGGER booked_usage_redacted_only BEFORE UPDATE OF request_id, tags ON booked_usage WHEN NOT ((NEW.request_id <> OLD.request_id OR coalesce(NEW.tags, '') <> coalesce(OLD.tags, '')) AND (NOT NEW.request_id <> OLD.request_id OR NEW.request_id LIKE 'redacted:%') AND (NOT coalesce(NEW.tags, '') <> coalesce(OLD.tags, '') OR NEW.tags LIKE '%"redacted:%')) BEGIN SELECT RAISE(ABORT, 'booked_usage is append-only: post a correction'); END;
CREATE TABLE lake_keys (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	posted_month TEXT NOT NULL, 
	occurred_month TEXT NOT NULL, 
	source TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	billed_model TEXT NOT NULL, 
	project TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	status TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	charge_class TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	rate_entry_id INTEGER, 
	conversion_id INTEGER, 
	CONSTRAINT pk_lake_keys PRIMARY KEY (id), 
	CONSTRAINT uq_lake_keys_digest UNIQUE (digest)
)
 STRICT

;
CREATE TABLE lake_cells (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	key_id INTEGER NOT NULL, 
	half_day INTEGER NOT NULL, 
	quarters INTEGER NOT NULL, 
	cells BLOB NOT NULL, 
	corrects_id INTEGER, 
	CONSTRAINT pk_lake_cells PRIMARY KEY (id), 
	CONSTRAINT uq_lake_cells_corrects_id UNIQUE (corrects_id)
)
 STRICT

;
CREATE INDEX ix_lake_cells_batch_id ON lake_cells (batch_id);
CREATE TRIGGER lake_keys_no_update BEFORE UPDATE ON lake_keys BEGIN SELECT RAISE(ABORT, 'lake_keys is append-only: post a correction'); END;
CREATE TRIGGER lake_keys_no_delete BEFORE DELETE ON lake_keys BEGIN SELECT RAISE(ABORT, 'lake_keys is append-only: post a correction'); END;
CREATE TRIGGER lake_keys_no_replace BEFORE INSERT ON lake_keys WHEN EXISTS (SELECT 1 FROM lake_keys WHERE id = NEW.id OR digest = NEW.digest) BEGIN SELECT RAISE(ABORT, 'lake_keys is append-only: post a correction'); END;
CREATE TRIGGER lake_cells_no_update BEFORE UPDATE ON lake_cells BEGIN SELECT RAISE(ABORT, 'lake_cells is append-only: post a correction'); END;
CREATE TRIGGER lake_cells_no_delete BEFORE DELETE ON lake_cells BEGIN SELECT RAISE(ABORT, 'lake_cells is append-only: post a correction'); END;
CREATE TRIGGER lake_cells_no_replace BEFORE INSERT ON lake_cells WHEN EXISTS (SELECT 1 FROM lake_cells WHERE id = NEW.id OR (NEW.corrects_id IS NOT NULL AND corrects_id = NEW.corrects_id)) BEGIN SELECT RAISE(ABORT, 'lake_cells is append-only: post a correction'); END;
CREATE TABLE archives (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	through TEXT NOT NULL, 
	first_id INTEGER NOT NULL, 
	last_id INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	first_batch_id INTEGER NOT NULL, 
	last_batch_id INTEGER NOT NULL, 
	batches TEXT NOT NULL, 
	identities TEXT NOT NULL, 
	lake TEXT NOT NULL, 
	location TEXT NOT NULL, 
	file TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	archived_at INTEGER NOT NULL, 
	previous TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_archives PRIMARY KEY (id), 
	CONSTRAINT uq_archives_batch_id UNIQUE (batch_id)
)
 STRICT

;
CREATE TABLE archived_usage (
	upper INTEGER NOT NULL, 
	lower INTEGER NOT NULL, 
	archive_id INTEGER NOT NULL, 
	key_id INTEGER NOT NULL, 
	numbers INTEGER NOT NULL, 
	CONSTRAINT pk_archived_usage PRIMARY KEY (upper, lower)
)
 WITHOUT ROWID,
 STRICT

;
CREATE TRIGGER archives_no_update BEFORE UPDATE ON archives BEGIN SELECT RAISE(ABORT, 'archives is append-only: post a correction'); END;
CREATE TRIGGER archives_no_delete BEFORE DELETE ON archives BEGIN SELECT RAISE(ABORT, 'archives is append-only: post a correction'); END;
CREATE TRIGGER archives_no_replace BEFORE INSERT ON archives WHEN EXISTS (SELECT 1 FROM archives WHERE id = NEW.id OR batch_id = NEW.batch_id) BEGIN SELECT RAISE(ABORT, 'archives is append-only: post a correction'); END;
CREATE TRIGGER archived_usage_no_update BEFORE UPDATE ON archived_usage BEGIN SELECT RAISE(ABORT, 'archived_usage is append-only: post a correction'); END;
CREATE TRIGGER archived_usage_no_delete BEFORE DELETE ON archived_usage BEGIN SELECT RAISE(ABORT, 'archived_usage is append-only: post a correction'); END;
CREATE TRIGGER archived_usage_no_replace BEFORE INSERT ON archived_usage WHEN EXISTS (SELECT 1 FROM archived_usage WHERE upper = NEW.upper AND lower = NEW.lower) BEGIN SELECT RAISE(ABORT, 'archived_usage is append-only: post a correction'); END;
CREATE TRIGGER booked_usage_no_delete BEFORE DELETE ON booked_usage WHEN NOT (
    EXISTS (
        SELECT 1 FROM archives a JOIN record_keys k ON k.posted_month <= a.through
        WHERE k.id = OLD.key_id AND OLD.id BETWEEN a.first_id AND a.last_id
        AND a.id = (SELECT max(id) FROM archives)
    ) AND OLD.generation = 0 AND OLD.calls IS NULL AND OLD.tool_calls IS NULL AND OLD.request_id NOT LIKE 'redacted:%'
    AND NOT EXISTS (SELECT 1 FROM booked_corrections c WHERE c.usage_record_id = OLD.id)
    AND EXISTS (SELECT 1 FROM text_seals s WHERE s.batch_id = OLD.batch_id AND s.sealed_by = OLD.batch_id)
) BEGIN SELECT RAISE(ABORT, 'booked_usage is append-only: post a correction'); END;
INSERT INTO alembic_version VALUES ('0015');
