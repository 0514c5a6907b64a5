CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '% is append-only: post a correction', TG_TABLE_NAME; END $$;
CREATE FUNCTION refuse_unarchived() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF 
    EXISTS (
        SELECT 1 FROM archives a JOIN record_keys k ON k.posted_month <= a.through
        WHERE k.id = OLD.key_id AND OLD.id BETWEEN a.first_id AND a.last_id
        AND a.id = (SELECT max(id) FROM archives)
    ) AND OLD.generation = 0 AND OLD.calls IS NULL AND OLD.tool_calls IS NULL AND OLD.request_id NOT LIKE 'redacted:%'
    AND NOT EXISTS (SELECT 1 FROM booked_corrections c WHERE c.usage_record_id = OLD.id)
    AND EXISTS (SELECT 1 FROM text_seals s WHERE s.batch_id = OLD.batch_id AND s.sealed_by = OLD.batch_id)
 THEN RETURN OLD; END IF; RAISE EXCEPTION 'booked_usage is append-only: post a correction'; END $$;
CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE archived_usage (
    upper bigint NOT NULL,
    lower bigint NOT NULL,
    archive_id bigint NOT NULL,
    key_id bigint NOT NULL,
    numbers bigint NOT NULL
);
COMMENT ON TABLE archived_usage IS 'One row a record that was archived, append-only: what it is known by when it comes again.';
COMMENT ON COLUMN archived_usage.upper IS 'of a digest of source, kind, request id';
COMMENT ON COLUMN archived_usage.key_id IS 'a row of `record_keys`';
COMMENT ON COLUMN archived_usage.numbers IS 'half of a digest of times and counts';
CREATE TABLE archives (
    id bigint NOT NULL,
    batch_id bigint NOT NULL,
    through text NOT NULL,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    rows bigint NOT NULL,
    first_batch_id bigint NOT NULL,
    last_batch_id bigint NOT NULL,
    batches text NOT NULL,
    identities text NOT NULL,
    lake text NOT NULL,
    location text NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    archived_at bigint NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL
);
COMMENT ON TABLE archives IS 'Files that rows of `booked_usage` were moved to, append-only, chained by digest.';
COMMENT ON COLUMN archives.id IS '1, 2, 3 … in order of commit';
COMMENT ON COLUMN archives.batch_id IS 'the batch that booked the sums of its rows';
COMMENT ON COLUMN archives.through IS 'YYYY-MM: rows posted in it or before were moved';
COMMENT ON COLUMN archives.first_id IS 'the least id of its rows in `booked_usage`; others may stay';
COMMENT ON COLUMN archives.batches IS 'sha256 over these rows of `batches` and all between them';
COMMENT ON COLUMN archives.identities IS 'sha256 over its rows of `archived_usage`';
COMMENT ON COLUMN archives.lake IS 'the id of the lake that has the file';
COMMENT ON COLUMN archives.location IS 'where that lake was then';
COMMENT ON COLUMN archives.file IS 'the file''s path below it';
COMMENT ON COLUMN archives.sha256 IS 'of the file';
COMMENT ON COLUMN archives.previous IS 'digest of the row before, empty for the first';
COMMENT ON COLUMN archives.digest IS 'sha256 over the other columns';
CREATE TABLE batches (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    reason text,
    reference text,
    options text NOT NULL,
    posted_at bigint NOT NULL,
    first_usage_record_id bigint NOT NULL,
    last_usage_record_id bigint NOT NULL,
    first_charge_id bigint NOT NULL,
    last_charge_id bigint NOT NULL,
    amounts text NOT NULL,
    digest text NOT NULL,
    previous text NOT NULL
);
COMMENT ON TABLE batches IS 'One row a transaction that posted, append-only, chained by digest.';
COMMENT ON COLUMN batches.run_id IS 'id of the first batch of the same command: what users call the batch';
COMMENT ON COLUMN batches.sequence IS '1, 2, 3 … without a gap, in order of commit';
COMMENT ON COLUMN batches.options IS 'JSON: files and options of the command';
COMMENT ON COLUMN batches.last_usage_record_id IS 'below the first where the batch has none';
COMMENT ON COLUMN batches.amounts IS 'JSON: nano of its charges by currency, reversals negative';
COMMENT ON COLUMN batches.digest IS 'sha256 over previous and the batch''s rows';
COMMENT ON COLUMN batches.previous IS 'digest of the batch before, empty for the first';
CREATE TABLE booked_corrections (
    id bigint NOT NULL,
    batch_id bigint NOT NULL,
    usage_record_id bigint,
    charge_class text NOT NULL,
    corrects_id bigint,
    occurred_month text NOT NULL,
    posted_month text NOT NULL,
    project text NOT NULL,
    provider text NOT NULL,
    currency text NOT NULL,
    billed_model text NOT NULL,
    model_differs smallint NOT NULL,
    rate_entry_id bigint,
    conversion_id bigint,
    tier text NOT NULL,
    input_nano bigint NOT NULL,
    cached_input_nano bigint NOT NULL,
    output_nano bigint NOT NULL,
    cache_storage_nano bigint NOT NULL,
    amount_nano bigint NOT NULL,
    cache_write_5m_nano bigint,
    cache_write_1h_nano bigint,
    call_nano bigint,
    CONSTRAINT ck_booked_corrections_charge_class CHECK (
CASE charge_class
    WHEN 'replacement'::text THEN ((corrects_id IS NOT NULL) AND (usage_record_id IS NOT NULL) AND (amount_nano = ((((((input_nano + cached_input_nano) + output_nano) + cache_storage_nano) + COALESCE(cache_write_5m_nano, (0)::bigint)) + COALESCE(cache_write_1h_nano, (0)::bigint)) + COALESCE(call_nano, (0)::bigint))))
    WHEN 'reversal'::text THEN (corrects_id IS NOT NULL)
    WHEN 'adjustment'::text THEN (corrects_id IS NULL)
    ELSE (1 = 0)
END)
);
COMMENT ON TABLE booked_corrections IS 'Reversals, replacements and adjustments, append-only; a reversal carries negative amounts.';
COMMENT ON COLUMN booked_corrections.id IS 'in one sequence with the ids of `booked_usage`';
COMMENT ON COLUMN booked_corrections.usage_record_id IS 'null for adjustments';
COMMENT ON COLUMN booked_corrections.corrects_id IS 'the charge reversed or replaced';
COMMENT ON COLUMN booked_corrections.occurred_month IS 'YYYY-MM in the ledger''s zone';
COMMENT ON COLUMN booked_corrections.rate_entry_id IS 'null for adjustments';
COMMENT ON COLUMN booked_corrections.conversion_id IS 'null where the currency is USD';
COMMENT ON COLUMN booked_corrections.tier IS 'its up_to, ''unbounded'', or ''none'' for storage';
CREATE TABLE booked_usage (
    id bigint NOT NULL,
    batch_id bigint NOT NULL,
    key_id bigint NOT NULL,
    stream_id bigint NOT NULL,
    request_id text NOT NULL,
    generation bigint NOT NULL,
    occurred_at bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    input_nano bigint,
    cached_input_nano bigint,
    output_nano bigint,
    tags text,
    cache_storage_nano bigint,
    storage_tokens bigint,
    storage_end bigint,
    provider_amount_nano bigint,
    assumed smallint,
    tool_calls bigint,
    cache_write_5m_tokens bigint,
    cache_write_1h_tokens bigint,
    calls bigint,
    cache_write_5m_nano bigint,
    cache_write_1h_nano bigint,
    call_nano bigint,
    recorded_id bigint,
    CONSTRAINT ck_booked_usage_facts CHECK (((0 <= cached_input_tokens) AND (((cached_input_tokens + COALESCE(cache_write_5m_tokens, (0)::bigint)) + COALESCE(cache_write_1h_tokens, (0)::bigint)) <= input_tokens) AND (0 <= COALESCE(cache_write_5m_tokens, (0)::bigint)) AND (0 <= COALESCE(cache_write_1h_tokens, (0)::bigint)) AND (0 <= COALESCE(calls, (0)::bigint)) AND (0 <= reasoning_tokens) AND (reasoning_tokens <= output_tokens)))
);
COMMENT ON TABLE booked_usage IS 'One request''s counts and facts with its first charge, append-only.';
COMMENT ON COLUMN booked_usage.id IS 'of its first charge: the order of posting';
COMMENT ON COLUMN booked_usage.generation IS '0; counted up where an id is recorded again after void or accept';
COMMENT ON COLUMN booked_usage.input_tokens IS 'cached ones included';
COMMENT ON COLUMN booked_usage.output_tokens IS 'reasoning ones included';
COMMENT ON COLUMN booked_usage.input_nano IS 'null, as all amounts, where the first charge is one of `booked_corrections`';
COMMENT ON COLUMN booked_usage.tags IS 'JSON object, keys sorted; null for none';
COMMENT ON COLUMN booked_usage.cache_storage_nano IS 'of storage; null, as whatever follows, for none';
COMMENT ON COLUMN booked_usage.provider_amount_nano IS 'the gateway''s own figure in the card''s currency: never priced';
COMMENT ON COLUMN booked_usage.assumed IS '1 where derived by --assume-cache-storage, not reported';
COMMENT ON COLUMN booked_usage.tool_calls IS 'calls of tools that the gateway bills beside the tokens: counted, never priced';
COMMENT ON COLUMN booked_usage.cache_write_5m_tokens IS 'of the input, written to the cache for 5 minutes';
COMMENT ON COLUMN booked_usage.cache_write_1h_tokens IS 'of the input, written to the cache for an hour';
COMMENT ON COLUMN booked_usage.calls IS 'calls of tools that the card prices';
COMMENT ON COLUMN booked_usage.recorded_id IS 'the record''s own number, in digests, where it was booked before both shared one';
CREATE TABLE budget_deliveries (
    id bigint NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    channel text,
    error text,
    changed_at bigint NOT NULL,
    CONSTRAINT ck_budget_deliveries_ck_budget_deliveries_state CHECK ((state = ANY (ARRAY['waiting'::text, 'claimed'::text, 'failed'::text, 'delivered'::text])))
);
COMMENT ON TABLE budget_deliveries IS 'How far each event has come: claimed before it is sent, delivered or failed after.';
COMMENT ON COLUMN budget_deliveries.attempts IS 'how often it was claimed; a failure counts for the last alone';
COMMENT ON COLUMN budget_deliveries.channel IS 'name of the channel it was last claimed for';
COMMENT ON COLUMN budget_deliveries.error IS 'why the last attempt failed, without addresses and secrets';
CREATE TABLE budget_events (
    id bigint NOT NULL,
    event_id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    period text NOT NULL,
    percent bigint NOT NULL,
    currency text NOT NULL,
    amount_nano bigint NOT NULL,
    reached_nano bigint NOT NULL,
    content text NOT NULL,
    recorded_at bigint NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT ck_budget_events_ck_budget_events_kind CHECK ((kind = ANY (ARRAY['actual'::text, 'forecast'::text, 'silent'::text, 'back'::text, 'weekly'::text, 'monthly'::text])))
);
COMMENT ON TABLE budget_events IS 'Thresholds crossed, sources gone silent and digests, append-only.';
COMMENT ON COLUMN budget_events.id IS '1, 2, 3 … in order of commit';
COMMENT ON COLUMN budget_events.event_id IS 'what receivers know it by, the same each time it is sent';
COMMENT ON COLUMN budget_events.name IS 'of the budget, source, or channel of a digest';
COMMENT ON COLUMN budget_events.period IS 'its label, such as 2026-W10; of a silence the last usage''s time';
COMMENT ON COLUMN budget_events.percent IS 'the threshold; 0 where there is none';
COMMENT ON COLUMN budget_events.currency IS 'of the amounts; empty where there are none';
COMMENT ON COLUMN budget_events.amount_nano IS 'the budget''s amount; 0 where there is none';
COMMENT ON COLUMN budget_events.reached_nano IS 'what was spent, or is expected, when it was seen';
COMMENT ON COLUMN budget_events.content IS 'JSON: what is sent';
COMMENT ON COLUMN budget_events.previous IS 'digest of the row before, empty for the first';
COMMENT ON COLUMN budget_events.digest IS 'sha256 over the other columns';
CREATE TABLE budgets (
    id bigint NOT NULL,
    name text NOT NULL,
    amount_nano bigint NOT NULL,
    currency text NOT NULL,
    period text NOT NULL,
    effective_from text NOT NULL,
    projects text NOT NULL,
    models text NOT NULL,
    tags text NOT NULL,
    alerts text NOT NULL,
    alert_forecast text NOT NULL,
    months text NOT NULL,
    owner text,
    notify text,
    removed smallint NOT NULL,
    recorded_at bigint NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT ck_budgets_ck_budgets_amount CHECK ((((removed = 1) AND (amount_nano = 0)) OR ((removed = 0) AND (amount_nano > 0)))),
    CONSTRAINT ck_budgets_ck_budgets_period CHECK ((period = ANY (ARRAY['day'::text, 'week'::text, 'month'::text, 'quarter'::text, 'year'::text])))
);
COMMENT ON TABLE budgets IS 'Versions of budgets, append-only: of those that begin with one period the later row holds, and a removal takes away what begins with it or later.';
COMMENT ON COLUMN budgets.id IS '1, 2, 3 … in order of commit';
COMMENT ON COLUMN budgets.amount_nano IS 'nano of currency; 0 where the budget is removed';
COMMENT ON COLUMN budgets.effective_from IS 'YYYY-MM-DD: holds from the first period from then on';
COMMENT ON COLUMN budgets.projects IS 'JSON array; empty for all';
COMMENT ON COLUMN budgets.models IS 'JSON array; empty for all';
COMMENT ON COLUMN budgets.tags IS 'JSON array of [key, value]; any value of each key; empty for all';
COMMENT ON COLUMN budgets.alerts IS 'JSON array of percents of the amount';
COMMENT ON COLUMN budgets.alert_forecast IS 'JSON array of percents that a forecast may cross';
COMMENT ON COLUMN budgets.months IS 'JSON object: nano by month YYYY-MM, where other than amount_nano';
COMMENT ON COLUMN budgets.removed IS '1 where the budget ends';
COMMENT ON COLUMN budgets.previous IS 'digest of the row before, empty for the first';
COMMENT ON COLUMN budgets.digest IS 'sha256 over the other columns';
CREATE TABLE card_versions (
    id bigint NOT NULL,
    provider text NOT NULL,
    origin text NOT NULL,
    digest text NOT NULL,
    content text NOT NULL,
    reason text,
    added_at bigint NOT NULL,
    CONSTRAINT ck_card_versions_ck_card_versions_origin CHECK ((origin = ANY (ARRAY['built-in'::text, 'user'::text])))
);
COMMENT ON TABLE card_versions IS 'Rate card files, append-only. User ones are laid over the built-in one in order of id.';
COMMENT ON COLUMN card_versions.digest IS 'sha256 of content';
COMMENT ON COLUMN card_versions.content IS 'the TOML text as it was given';
CREATE TABLE record_keys (
    id bigint NOT NULL,
    digest text NOT NULL,
    provider text NOT NULL,
    requested_model text,
    reported_model text,
    project text NOT NULL,
    status text NOT NULL,
    service_tier text,
    occurred_month text,
    posted_month text,
    currency text,
    billed_model text,
    model_differs smallint,
    rate_entry_id bigint,
    conversion_id bigint,
    tier text
);
COMMENT ON TABLE record_keys IS 'What many records and their first charges have alike, each combination once.';
COMMENT ON COLUMN record_keys.digest IS 'sha256 of the other columns';
COMMENT ON COLUMN record_keys.occurred_month IS 'YYYY-MM in the ledger''s zone; null, as all after it, where `booked_usage` holds no amounts';
COMMENT ON COLUMN record_keys.conversion_id IS 'null where the currency is USD';
COMMENT ON COLUMN record_keys.tier IS 'its up_to, ''unbounded'', or ''none'' for storage';
CREATE VIEW charges AS
 SELECT b.id,
    b.batch_id,
    b.id AS usage_record_id,
    'charge'::text AS charge_class,
    NULL::bigint AS corrects_id,
    k.occurred_month,
    k.posted_month,
    k.project,
    k.provider,
    k.currency,
    k.billed_model,
    k.model_differs,
    k.rate_entry_id,
    k.conversion_id,
    k.tier,
    b.input_nano,
    b.cached_input_nano,
    b.output_nano,
    COALESCE(b.cache_storage_nano, (0)::bigint) AS cache_storage_nano,
    ((((((b.input_nano + b.cached_input_nano) + b.output_nano) + COALESCE(b.cache_storage_nano, (0)::bigint)) + COALESCE(b.cache_write_5m_nano, (0)::bigint)) + COALESCE(b.cache_write_1h_nano, (0)::bigint)) + COALESCE(b.call_nano, (0)::bigint)) AS amount_nano,
    b.cache_write_5m_nano,
    b.cache_write_1h_nano,
    b.call_nano
   FROM (booked_usage b
     JOIN record_keys k ON ((k.id = b.key_id)))
  WHERE (b.input_nano IS NOT NULL)
UNION ALL
 SELECT booked_corrections.id,
    booked_corrections.batch_id,
    booked_corrections.usage_record_id,
    booked_corrections.charge_class,
    booked_corrections.corrects_id,
    booked_corrections.occurred_month,
    booked_corrections.posted_month,
    booked_corrections.project,
    booked_corrections.provider,
    booked_corrections.currency,
    booked_corrections.billed_model,
    booked_corrections.model_differs,
    booked_corrections.rate_entry_id,
    booked_corrections.conversion_id,
    booked_corrections.tier,
    booked_corrections.input_nano,
    booked_corrections.cached_input_nano,
    booked_corrections.output_nano,
    booked_corrections.cache_storage_nano,
    booked_corrections.amount_nano,
    booked_corrections.cache_write_5m_nano,
    booked_corrections.cache_write_1h_nano,
    booked_corrections.call_nano
   FROM booked_corrections;
CREATE TABLE closings (
    id bigint NOT NULL,
    action text NOT NULL,
    month text NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    reason text,
    forced smallint NOT NULL,
    last_charge_id bigint NOT NULL,
    charges bigint NOT NULL,
    amounts text NOT NULL,
    rows_digest text NOT NULL,
    billing_mode text NOT NULL,
    timezone text NOT NULL,
    export_version bigint NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    settings text,
    CONSTRAINT ck_closings_ck_closings_action CHECK ((action = ANY (ARRAY['close'::text, 'reopen'::text]))),
    CONSTRAINT ck_closings_ck_closings_billing_mode CHECK ((billing_mode = ANY (ARRAY['postpaid'::text, 'prepaid'::text])))
);
COMMENT ON TABLE closings IS 'Months closed and reopened, append-only; a reopen repeats the figures of the close that it undoes.';
COMMENT ON COLUMN closings.id IS '1, 2, 3 … in order of commit';
COMMENT ON COLUMN closings.month IS 'YYYY-MM in the ledger''s zone';
COMMENT ON COLUMN closings.number IS '1 for a month''s first close, 2 after it was reopened';
COMMENT ON COLUMN closings.last_charge_id IS 'the ledger''s highest by then: later rows are not in it';
COMMENT ON COLUMN closings.charges IS 'rows posted in the month';
COMMENT ON COLUMN closings.amounts IS 'JSON: their nano by currency';
COMMENT ON COLUMN closings.rows_digest IS 'sha256 over these rows and the conversions they pin';
COMMENT ON COLUMN closings.previous IS 'digest of the row before, empty for the first';
COMMENT ON COLUMN closings.digest IS 'sha256 over the other columns';
COMMENT ON COLUMN closings.settings IS 'JSON: settings that its exports depend on; null where it was closed before they were kept';
CREATE TABLE conversions (
    id bigint NOT NULL,
    provider text NOT NULL,
    currency text NOT NULL,
    per_usd_nano bigint NOT NULL,
    effective_from bigint NOT NULL,
    origin text NOT NULL,
    source_url text,
    checked_on text,
    reason text,
    added_at bigint NOT NULL,
    CONSTRAINT ck_conversions_ck_conversions_origin CHECK ((origin = ANY (ARRAY['card'::text, 'user'::text]))),
    CONSTRAINT ck_conversions_ck_conversions_positive CHECK ((per_usd_nano > 0))
);
COMMENT ON TABLE conversions IS 'Dated conversions to USD, append-only; of two with one start the later row holds.';
COMMENT ON COLUMN conversions.per_usd_nano IS 'nano of the currency for 1 USD';
CREATE TABLE lake_cells (
    id bigint NOT NULL,
    batch_id bigint NOT NULL,
    key_id bigint NOT NULL,
    half_day bigint NOT NULL,
    quarters bigint NOT NULL,
    cells bytea NOT NULL,
    corrects_id bigint
);
COMMENT ON TABLE lake_cells IS 'Sums of charges whose rows a lake keeps, append-only: roll-ups are the sums of these and of charges.';
COMMENT ON COLUMN lake_cells.id IS 'in one sequence with the ids of `booked_usage`';
COMMENT ON COLUMN lake_cells.key_id IS 'a row of `lake_keys`';
COMMENT ON COLUMN lake_cells.half_day IS 'the midnight or noon, UTC, at which it begins';
COMMENT ON COLUMN lake_cells.quarters IS 'bit n is set where the n-th quarter-hour has a cell';
COMMENT ON COLUMN lake_cells.cells IS 'the cells packed, as in `rollup_quarters`';
COMMENT ON COLUMN lake_cells.corrects_id IS 'the row that this one takes back, negated';
CREATE TABLE lake_keys (
    id bigint NOT NULL,
    digest text NOT NULL,
    posted_month text NOT NULL,
    occurred_month text NOT NULL,
    source text NOT NULL,
    provider text NOT NULL,
    currency text NOT NULL,
    billed_model text NOT NULL,
    project text NOT NULL,
    tier text NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    charge_class text NOT NULL,
    tags text NOT NULL,
    rate_entry_id bigint,
    conversion_id bigint
);
COMMENT ON TABLE lake_keys IS 'What the charges of a lake''s sum have alike, each combination once; they stay, as roll-ups'' may not.';
COMMENT ON COLUMN lake_keys.digest IS 'sha256 of the other columns';
CREATE TABLE ledger_settings (
    name text NOT NULL,
    value text NOT NULL
);
COMMENT ON TABLE ledger_settings IS 'Facts of the whole ledger: timezone, rollup_tags, created_at. Its row `lock` is what writers queue on.';
CREATE TABLE log_entries (
    id bigint NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    version text NOT NULL,
    rows text NOT NULL,
    settled text,
    held text NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL
);
COMMENT ON TABLE log_entries IS 'One row a transaction that changed the book, append-only, chained by digest.';
COMMENT ON COLUMN log_entries.id IS '1, 2, 3 … without a gap, in order of commit';
COMMENT ON COLUMN log_entries.version IS 'of tollbook';
COMMENT ON COLUMN log_entries.rows IS 'JSON array of [table, first id, last id, sha256 over these rows]';
COMMENT ON COLUMN log_entries.settled IS 'JSON object: by state, ranges of ids of quarantine that came to it; null where none did';
COMMENT ON COLUMN log_entries.held IS 'sum of sha256 over what quarantine keeps of each line, modulo 2**256, as this entry leaves it';
COMMENT ON COLUMN log_entries.previous IS 'digest of the entry before, empty for the first';
COMMENT ON COLUMN log_entries.digest IS 'sha256 over the other columns';
CREATE TABLE projects (
    id bigint NOT NULL,
    project text NOT NULL,
    name text,
    owner text,
    cost_center text,
    aliases text NOT NULL,
    removed smallint NOT NULL,
    recorded_at bigint NOT NULL,
    closing_id bigint NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT ck_projects_ck_projects_removed CHECK (((removed = 0) OR ((name IS NULL) AND (owner IS NULL) AND (cost_center IS NULL))))
);
COMMENT ON TABLE projects IS 'What each project is called, whose it is and who pays, append-only: its latest row holds.';
COMMENT ON COLUMN projects.id IS '1, 2, 3 … in order of commit';
COMMENT ON COLUMN projects.project IS 'the id that charges carry';
COMMENT ON COLUMN projects.aliases IS 'JSON array, sorted: names whose usage counts as the project''s';
COMMENT ON COLUMN projects.removed IS '1 where the project was taken out of tollbook.toml';
COMMENT ON COLUMN projects.closing_id IS 'the newest of closings by then, 0 for none: later ones see it';
COMMENT ON COLUMN projects.previous IS 'digest of the row before, empty for the first';
COMMENT ON COLUMN projects.digest IS 'sha256 over the other columns';
CREATE TABLE quarantine (
    id bigint NOT NULL,
    digest text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    file text NOT NULL,
    line bigint NOT NULL,
    length bigint NOT NULL,
    seen bigint NOT NULL,
    source text NOT NULL,
    request_id text,
    occurred_at bigint,
    fields text NOT NULL,
    complete smallint NOT NULL,
    options text NOT NULL,
    first_seen_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    resolution text,
    resolved_at bigint,
    CONSTRAINT ck_quarantine_ck_quarantine_state CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text, 'accepted'::text, 'discarded'::text])))
);
COMMENT ON TABLE quarantine IS 'What could not be recorded, until somebody settles it.';
COMMENT ON COLUMN quarantine.digest IS 'sha256 of source and line';
COMMENT ON COLUMN quarantine.length IS 'bytes of the line, for a cut-off line''s whole twin';
COMMENT ON COLUMN quarantine.seen IS 'how often this very line came';
COMMENT ON COLUMN quarantine.occurred_at IS 'null where the line has no readable time';
COMMENT ON COLUMN quarantine.fields IS 'JSON in the records format: what may be kept of the line';
COMMENT ON COLUMN quarantine.complete IS '1 where fields hold every fact, so that a retry can record them';
COMMENT ON COLUMN quarantine.options IS 'JSON: options of the run';
COMMENT ON COLUMN quarantine.resolution IS 'reason of a discard, or how it was resolved';
CREATE TABLE rate_entries (
    id bigint NOT NULL,
    card_version_id bigint NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    currency text NOT NULL,
    effective_from bigint NOT NULL,
    key text NOT NULL,
    digest text NOT NULL,
    content text NOT NULL,
    recorded_at bigint NOT NULL
);
COMMENT ON TABLE rate_entries IS 'Dated prices that a charge was or may be worked out by, append-only.';
COMMENT ON COLUMN rate_entries.key IS 'provider/model/date#digest, what exports print';
COMMENT ON COLUMN rate_entries.digest IS 'sha256 of content';
COMMENT ON COLUMN rate_entries.content IS 'canonical JSON of all that decides a price';
CREATE TABLE rollup_days (
    day text NOT NULL,
    key_id bigint NOT NULL,
    requests bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    storage_token_hours bigint NOT NULL,
    input_nano bigint NOT NULL,
    cached_input_nano bigint NOT NULL,
    output_nano bigint NOT NULL,
    cache_storage_nano bigint NOT NULL,
    amount_nano bigint NOT NULL,
    last_occurred_at bigint NOT NULL,
    cache_write_5m_tokens bigint DEFAULT 0 NOT NULL,
    cache_write_1h_tokens bigint DEFAULT 0 NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    cache_write_5m_nano bigint DEFAULT 0 NOT NULL,
    cache_write_1h_nano bigint DEFAULT 0 NOT NULL,
    call_nano bigint DEFAULT 0 NOT NULL
);
COMMENT ON TABLE rollup_days IS 'Sums of charges by key and day, kept in the transaction that posts them.';
COMMENT ON COLUMN rollup_days.day IS 'YYYY-MM-DD the usage occurred, in the ledger''s zone';
COMMENT ON COLUMN rollup_days.last_occurred_at IS 'latest usage ever counted here; a reversal doesn''t lower it';
CREATE TABLE rollup_keys (
    id bigint NOT NULL,
    digest text NOT NULL,
    posted_month text NOT NULL,
    occurred_month text NOT NULL,
    source text NOT NULL,
    provider text NOT NULL,
    currency text NOT NULL,
    billed_model text NOT NULL,
    project text NOT NULL,
    tier text NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    charge_class text NOT NULL,
    tags text NOT NULL,
    rate_entry_id bigint,
    conversion_id bigint
);
COMMENT ON TABLE rollup_keys IS 'Each combination of dimensions that was ever posted, once; tags holds the rolled-up keys alone.';
COMMENT ON COLUMN rollup_keys.digest IS 'sha256 of the other columns';
CREATE TABLE rollup_quarters (
    half_day bigint NOT NULL,
    key_id bigint NOT NULL,
    quarters bigint NOT NULL,
    cells bytea NOT NULL
);
COMMENT ON TABLE rollup_quarters IS 'The same sums by quarter-hour, packed: every zone since 1980 starts its days on one.';
COMMENT ON COLUMN rollup_quarters.half_day IS 'the midnight or noon, UTC, at which it begins';
COMMENT ON COLUMN rollup_quarters.quarters IS 'bit n is set where the n-th quarter-hour has a cell';
COMMENT ON COLUMN rollup_quarters.cells IS 'the cells packed: see ledger/book/quarters.py';
CREATE TABLE sources (
    source text NOT NULL,
    last_occurred_at bigint NOT NULL,
    last_ingest_at bigint NOT NULL,
    lake text
);
COMMENT ON TABLE sources IS 'How far each stream of ids has come.';
COMMENT ON COLUMN sources.lake IS 'the id of the lake that its usage is kept in; null where that is the book';
CREATE TABLE streams (
    id bigint NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    CONSTRAINT ck_streams_kind CHECK ((kind = ANY (ARRAY['request'::text, 'cache_storage'::text])))
);
COMMENT ON TABLE streams IS 'Where request ids are unique: each kind of record of a source, once.';
CREATE TABLE text_seals (
    id bigint NOT NULL,
    batch_id bigint NOT NULL,
    sealed_by bigint NOT NULL,
    digest text,
    salt text,
    rows_digest text,
    CONSTRAINT ck_text_seals_ck_text_seals_digest CHECK (((digest IS NULL) <> (rows_digest IS NULL)))
);
COMMENT ON TABLE text_seals IS 'What holds the texts of each batch; the last one by id holds them as they are.';
COMMENT ON COLUMN text_seals.batch_id IS 'the batch whose request ids and tags are sealed';
COMMENT ON COLUMN text_seals.sealed_by IS 'itself, or the batch that redacted some of them';
COMMENT ON COLUMN text_seals.digest IS 'sha256 over salt and texts; null where the batch''s own digest covers texts';
COMMENT ON COLUMN text_seals.salt IS 'goes when the texts are redacted: nobody can try what they were';
COMMENT ON COLUMN text_seals.rows_digest IS 'sha256 over the batch as redacted, where the batch''s own digest covers texts';
CREATE VIEW usage_records AS
 SELECT b.id,
    b.batch_id,
    s.kind,
    s.source,
    b.request_id,
    b.generation,
    k.provider,
    b.occurred_at,
    k.requested_model,
    k.reported_model,
    k.project,
    k.status,
    k.service_tier,
    b.input_tokens,
    b.cached_input_tokens,
    b.output_tokens,
    b.reasoning_tokens,
    COALESCE(b.tags, '{}'::text) AS tags,
    b.storage_tokens,
    b.storage_end,
    b.provider_amount_nano,
    COALESCE((b.assumed)::integer, 0) AS assumed,
    b.tool_calls,
    b.cache_write_5m_tokens,
    b.cache_write_1h_tokens,
    b.calls
   FROM ((booked_usage b
     JOIN record_keys k ON ((k.id = b.key_id)))
     JOIN streams s ON ((s.id = b.stream_id)));
CREATE TABLE wallet_entries (
    id bigint NOT NULL,
    closing_id bigint NOT NULL,
    provider text NOT NULL,
    day text NOT NULL,
    from_account text NOT NULL,
    to_account text NOT NULL,
    lot_id bigint,
    amount_nano bigint NOT NULL,
    CONSTRAINT ck_wallet_entries_ck_wallet_entries_accounts CHECK ((((from_account || '>'::text) || to_account) = ANY (ARRAY['purchased>balance'::text, 'granted>balance'::text, 'balance>used'::text, 'balance>adjustment'::text, 'balance>expired'::text, 'balance>overdrawn'::text, 'overdrawn>used'::text, 'overdrawn>adjustment'::text, 'used>balance'::text, 'used>overdrawn'::text]))),
    CONSTRAINT ck_wallet_entries_ck_wallet_entries_amount CHECK ((amount_nano > 0))
);
COMMENT ON TABLE wallet_entries IS 'Transfers between two accounts of a provider''s wallet, so that all its accounts add up to zero; append-only.';
COMMENT ON COLUMN wallet_entries.id IS 'order of drawing';
COMMENT ON COLUMN wallet_entries.closing_id IS 'the close that wrote it';
COMMENT ON COLUMN wallet_entries.day IS 'YYYY-MM-DD in the ledger''s zone';
COMMENT ON COLUMN wallet_entries.lot_id IS 'whose balance it changes; null where none''s';
COMMENT ON COLUMN wallet_entries.amount_nano IS 'leaves the one account and comes to the other';
CREATE TABLE wallet_moves (
    id bigint NOT NULL,
    kind text NOT NULL,
    provider text NOT NULL,
    currency text NOT NULL,
    credits_nano bigint NOT NULL,
    paid_nano bigint NOT NULL,
    day text NOT NULL,
    expires text,
    reason text,
    reference text NOT NULL,
    recorded_at bigint NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT ck_wallet_moves_ck_wallet_moves_credits CHECK ((credits_nano > 0)),
    CONSTRAINT ck_wallet_moves_ck_wallet_moves_expires CHECK (((expires IS NULL) OR (expires >= day))),
    CONSTRAINT ck_wallet_moves_ck_wallet_moves_kind CHECK (
CASE kind
    WHEN 'purchased'::text THEN (paid_nano > 0)
    WHEN 'granted'::text THEN (paid_nano = 0)
    WHEN 'draw'::text THEN ((paid_nano = 0) AND (expires IS NULL) AND (reason IS NOT NULL))
    ELSE (1 = 0)
END)
);
COMMENT ON TABLE wallet_moves IS 'Top-ups (each a lot of credits) and what the same balance paid elsewhere, append-only, chained by digest.';
COMMENT ON COLUMN wallet_moves.id IS 'of a top-up: what its lot is called';
COMMENT ON COLUMN wallet_moves.currency IS 'of the provider''s card: CRD for credits';
COMMENT ON COLUMN wallet_moves.paid_nano IS 'nano-USD; 0 for granted credits and draws';
COMMENT ON COLUMN wallet_moves.day IS 'YYYY-MM-DD in the ledger''s zone';
COMMENT ON COLUMN wallet_moves.expires IS 'last day on which a lot''s credits can be used';
COMMENT ON COLUMN wallet_moves.previous IS 'digest of the row before, empty for the first';
COMMENT ON COLUMN wallet_moves.digest IS 'sha256 over the other columns';
ALTER TABLE ONLY alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY archived_usage
    ADD CONSTRAINT pk_archived_usage PRIMARY KEY (upper, lower);
ALTER TABLE ONLY archives
    ADD CONSTRAINT pk_archives PRIMARY KEY (id);
ALTER TABLE ONLY batches
    ADD CONSTRAINT pk_batches PRIMARY KEY (id);
ALTER TABLE ONLY booked_corrections
    ADD CONSTRAINT pk_booked_corrections PRIMARY KEY (id);
ALTER TABLE ONLY booked_usage
    ADD CONSTRAINT pk_booked_usage PRIMARY KEY (id);
ALTER TABLE ONLY budget_deliveries
    ADD CONSTRAINT pk_budget_deliveries PRIMARY KEY (id);
ALTER TABLE ONLY budget_events
    ADD CONSTRAINT pk_budget_events PRIMARY KEY (id);
ALTER TABLE ONLY budgets
    ADD CONSTRAINT pk_budgets PRIMARY KEY (id);
ALTER TABLE ONLY card_versions
    ADD CONSTRAINT pk_card_versions PRIMARY KEY (id);
ALTER TABLE ONLY closings
    ADD CONSTRAINT pk_closings PRIMARY KEY (id);
ALTER TABLE ONLY conversions
    ADD CONSTRAINT pk_conversions PRIMARY KEY (id);
ALTER TABLE ONLY lake_cells
    ADD CONSTRAINT pk_lake_cells PRIMARY KEY (id);
ALTER TABLE ONLY lake_keys
    ADD CONSTRAINT pk_lake_keys PRIMARY KEY (id);
ALTER TABLE ONLY ledger_settings
    ADD CONSTRAINT pk_ledger_settings PRIMARY KEY (name);
ALTER TABLE ONLY log_entries
    ADD CONSTRAINT pk_log_entries PRIMARY KEY (id);
ALTER TABLE ONLY projects
    ADD CONSTRAINT pk_projects PRIMARY KEY (id);
ALTER TABLE ONLY quarantine
    ADD CONSTRAINT pk_quarantine PRIMARY KEY (id);
ALTER TABLE ONLY rate_entries
    ADD CONSTRAINT pk_rate_entries PRIMARY KEY (id);
ALTER TABLE ONLY record_keys
    ADD CONSTRAINT pk_record_keys PRIMARY KEY (id);
ALTER TABLE ONLY rollup_days
    ADD CONSTRAINT pk_rollup_days PRIMARY KEY (day, key_id);
ALTER TABLE ONLY rollup_keys
    ADD CONSTRAINT pk_rollup_keys PRIMARY KEY (id);
ALTER TABLE ONLY rollup_quarters
    ADD CONSTRAINT pk_rollup_quarters PRIMARY KEY (half_day, key_id);
ALTER TABLE ONLY sources
    ADD CONSTRAINT pk_sources PRIMARY KEY (source);
ALTER TABLE ONLY streams
    ADD CONSTRAINT pk_streams PRIMARY KEY (id);
ALTER TABLE ONLY text_seals
    ADD CONSTRAINT pk_text_seals PRIMARY KEY (id);
ALTER TABLE ONLY wallet_entries
    ADD CONSTRAINT pk_wallet_entries PRIMARY KEY (id);
ALTER TABLE ONLY wallet_moves
    ADD CONSTRAINT pk_wallet_moves PRIMARY KEY (id);
ALTER TABLE ONLY archives
    ADD CONSTRAINT uq_archives_batch_id UNIQUE (batch_id);
ALTER TABLE ONLY batches
    ADD CONSTRAINT uq_batches_sequence UNIQUE (sequence);
ALTER TABLE ONLY booked_usage
    ADD CONSTRAINT uq_booked_usage_identity UNIQUE (request_id, stream_id, generation);
ALTER TABLE ONLY budget_events
    ADD CONSTRAINT uq_budget_events_event_id UNIQUE (event_id);
ALTER TABLE ONLY budget_events
    ADD CONSTRAINT uq_budget_events_identity UNIQUE (kind, name, period, percent, currency, amount_nano);
ALTER TABLE ONLY closings
    ADD CONSTRAINT uq_closings_month_number_action UNIQUE (month, number, action);
ALTER TABLE ONLY lake_cells
    ADD CONSTRAINT uq_lake_cells_corrects_id UNIQUE (corrects_id);
ALTER TABLE ONLY lake_keys
    ADD CONSTRAINT uq_lake_keys_digest UNIQUE (digest);
ALTER TABLE ONLY quarantine
    ADD CONSTRAINT uq_quarantine_digest UNIQUE (digest);
ALTER TABLE ONLY rate_entries
    ADD CONSTRAINT uq_rate_entries_digest UNIQUE (digest);
ALTER TABLE ONLY record_keys
    ADD CONSTRAINT uq_record_keys_digest UNIQUE (digest);
ALTER TABLE ONLY rollup_keys
    ADD CONSTRAINT uq_rollup_keys_digest UNIQUE (digest);
ALTER TABLE ONLY streams
    ADD CONSTRAINT uq_streams_source_kind UNIQUE (source, kind);
ALTER TABLE ONLY text_seals
    ADD CONSTRAINT uq_text_seals_batch_id_sealed_by UNIQUE (batch_id, sealed_by);
ALTER TABLE ONLY wallet_moves
    ADD CONSTRAINT uq_wallet_moves_reference UNIQUE (reference);
CREATE INDEX ix_batches_run_id ON batches USING btree (run_id);
CREATE INDEX ix_booked_corrections_usage_record_id ON booked_corrections USING btree (usage_record_id);
CREATE INDEX ix_booked_usage_occurred_at ON booked_usage USING brin (occurred_at);
CREATE INDEX ix_booked_usage_tool_calls ON booked_usage USING btree (tool_calls) WHERE (tool_calls IS NOT NULL);
CREATE INDEX ix_lake_cells_batch_id ON lake_cells USING btree (batch_id);
CREATE INDEX ix_quarantine_state ON quarantine USING btree (state, occurred_at);
CREATE INDEX ix_wallet_entries_closing_id ON wallet_entries USING btree (closing_id);
CREATE UNIQUE INDEX uq_batches_reference ON batches USING btree (reference) WHERE (reference IS NOT NULL);
CREATE UNIQUE INDEX uq_booked_corrections_corrects_id ON booked_corrections USING btree (corrects_id, charge_class) WHERE (corrects_id IS NOT NULL);
CREATE TRIGGER archived_usage_append_only BEFORE DELETE OR UPDATE ON archived_usage FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER archived_usage_no_truncate BEFORE TRUNCATE ON archived_usage FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER archives_append_only BEFORE DELETE OR UPDATE ON archives FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER archives_no_truncate BEFORE TRUNCATE ON archives FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER batches_append_only BEFORE DELETE OR UPDATE ON batches FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER batches_no_truncate BEFORE TRUNCATE ON batches FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER booked_corrections_append_only BEFORE DELETE OR UPDATE ON booked_corrections FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER booked_corrections_no_truncate BEFORE TRUNCATE ON booked_corrections FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER booked_usage_append_only BEFORE UPDATE OF id, batch_id, key_id, stream_id, generation, occurred_at, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, input_nano, cached_input_nano, output_nano, cache_storage_nano, storage_tokens, storage_end, provider_amount_nano, assumed, tool_calls, cache_write_5m_tokens, cache_write_1h_tokens, calls, cache_write_5m_nano, cache_write_1h_nano, call_nano, recorded_id ON booked_usage FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER booked_usage_no_delete BEFORE DELETE ON booked_usage FOR EACH ROW EXECUTE FUNCTION refuse_unarchived();
CREATE TRIGGER booked_usage_no_truncate BEFORE TRUNCATE ON booked_usage FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER booked_usage_redacted_only BEFORE UPDATE OF request_id, tags ON booked_usage FOR EACH ROW WHEN ((NOT (((new.request_id <> old.request_id) OR (COALESCE(new.tags, ''::text) <> COALESCE(old.tags, ''::text))) AND ((NOT (new.request_id <> old.request_id)) OR (new.request_id ~~ 'redacted:%'::text)) AND ((NOT (COALESCE(new.tags, ''::text) <> COALESCE(old.tags, ''::text))) OR (new.tags ~~ '%"redacted:%'::text))))) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER budget_events_append_only BEFORE DELETE OR UPDATE ON budget_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER budget_events_no_truncate BEFORE TRUNCATE ON budget_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER budgets_append_only BEFORE DELETE OR UPDATE ON budgets FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER budgets_no_truncate BEFORE TRUNCATE ON budgets FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER card_versions_append_only BEFORE DELETE OR UPDATE ON card_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER card_versions_no_truncate BEFORE TRUNCATE ON card_versions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER closings_append_only BEFORE DELETE OR UPDATE ON closings FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER closings_no_truncate BEFORE TRUNCATE ON closings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER conversions_append_only BEFORE DELETE OR UPDATE ON conversions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER conversions_no_truncate BEFORE TRUNCATE ON conversions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lake_cells_append_only BEFORE DELETE OR UPDATE ON lake_cells FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lake_cells_no_truncate BEFORE TRUNCATE ON lake_cells FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lake_keys_append_only BEFORE DELETE OR UPDATE ON lake_keys FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lake_keys_no_truncate BEFORE TRUNCATE ON lake_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_entries_append_only BEFORE DELETE OR UPDATE ON log_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_entries_no_truncate BEFORE TRUNCATE ON log_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER projects_append_only BEFORE DELETE OR UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER projects_no_truncate BEFORE TRUNCATE ON projects FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rate_entries_append_only BEFORE DELETE OR UPDATE ON rate_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rate_entries_no_truncate BEFORE TRUNCATE ON rate_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER record_keys_append_only BEFORE DELETE OR UPDATE ON record_keys FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER record_keys_no_truncate BEFORE TRUNCATE ON record_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER streams_append_only BEFORE DELETE OR UPDATE ON streams FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER streams_no_truncate BEFORE TRUNCATE ON streams FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER text_seals_append_only BEFORE DELETE OR UPDATE OF id, batch_id, sealed_by, digest, rows_digest ON text_seals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER text_seals_no_truncate BEFORE TRUNCATE ON text_seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER text_seals_salt_goes BEFORE UPDATE OF salt ON text_seals FOR EACH ROW WHEN ((NOT ((old.salt IS NOT NULL) AND (new.salt IS NULL)))) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallet_entries_append_only BEFORE DELETE OR UPDATE ON wallet_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallet_entries_no_truncate BEFORE TRUNCATE ON wallet_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallet_moves_append_only BEFORE DELETE OR UPDATE ON wallet_moves FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallet_moves_no_truncate BEFORE TRUNCATE ON wallet_moves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE ONLY budget_deliveries
    ADD CONSTRAINT fk_budget_deliveries_id FOREIGN KEY (id) REFERENCES budget_events(id);
ALTER TABLE ONLY rate_entries
    ADD CONSTRAINT fk_rate_entries_card_version_id FOREIGN KEY (card_version_id) REFERENCES card_versions(id);
ALTER TABLE ONLY wallet_entries
    ADD CONSTRAINT fk_wallet_entries_closing_id FOREIGN KEY (closing_id) REFERENCES closings(id);
ALTER TABLE ONLY wallet_entries
    ADD CONSTRAINT fk_wallet_entries_lot_id FOREIGN KEY (lot_id) REFERENCES wallet_moves(id);
INSERT INTO alembic_version VALUES ('0015');
