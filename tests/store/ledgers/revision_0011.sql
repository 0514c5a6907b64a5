PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES('0011');
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
INSERT INTO batches VALUES(1,1,1,'ingest',NULL,NULL,'{"files":["-"]}',1796013544600657,1,8,1,8,'{"CRD":11029120000}','15decb10d99c54a6660784e51895fd650e0c350d15b4b2357daa79ef0b8c9b99','');
INSERT INTO batches VALUES(2,2,2,'ingest',NULL,NULL,'{"files":["-"]}',1796013545711053,10,11,9,10,'{"CRD":21702000000}','728c1dc987035fff71b8203b941b59b69c3b27f3ca6ab6cbe9296873bd95aa2b','15decb10d99c54a6660784e51895fd650e0c350d15b4b2357daa79ef0b8c9b99');
INSERT INTO batches VALUES(3,3,3,'accept','the gateway corrected it',NULL,'{"quarantine":1}',1796013549137920,12,12,11,12,'{"CRD":4141072000}','3768f05720090c36f222f87b75568d5dbf206e3638577e8c1564e3a9bf8f8baf','728c1dc987035fff71b8203b941b59b69c3b27f3ca6ab6cbe9296873bd95aa2b');
INSERT INTO batches VALUES(4,4,4,'void','voided',NULL,'{}',1796013550094920,1,0,13,13,'{"CRD":-1687360000}','2f41c4898c0afb7b7af4c1edf1290e0c1660ce39cd8567b41fec838f26aaebcb','3768f05720090c36f222f87b75568d5dbf206e3638577e8c1564e3a9bf8f8baf');
INSERT INTO batches VALUES(5,5,5,'ingest',NULL,NULL,'{"files":["-"]}',1796013551320341,13,13,14,14,'{"CRD":1698528000}','744821bd6a6cb363a86339b08a88befc4d73aa38bdd2927e8174e537ac6deb19','2f41c4898c0afb7b7af4c1edf1290e0c1660ce39cd8567b41fec838f26aaebcb');
INSERT INTO batches VALUES(6,6,6,'reassign','reassigned',NULL,'{"to":"search"}',1796013552518536,1,0,15,20,'{"CRD":0}','1d52a92ede69c86eff15336a7fc8aa8c490b541bc2e0a1462c6ec86dc67d6ae8','744821bd6a6cb363a86339b08a88befc4d73aa38bdd2927e8174e537ac6deb19');
INSERT INTO batches VALUES(7,7,7,'ingest',NULL,NULL,'{"files":["-"]}',1796013556498297,14,20,21,27,'{"CRD":19296000000}','ce1aff3f028dcad5bdde73f6f321ad845051d8ee809b72f7542a12d45a368a42','1d52a92ede69c86eff15336a7fc8aa8c490b541bc2e0a1462c6ec86dc67d6ae8');
INSERT INTO batches VALUES(8,8,8,'adjust','rebate','A1','{"project":"p2","amount":"1.5credits","month":"2026-03","provider":"evolink"}',1796013557972239,1,0,28,28,'{"CRD":1500000000}','5034a22ab5a85407f54887e5526a281a600d8ddc7714f891f2e33a2233a56ef6','ce1aff3f028dcad5bdde73f6f321ad845051d8ee809b72f7542a12d45a368a42');
INSERT INTO batches VALUES(9,9,9,'reprice','a new rate',NULL,'{"since":"2026-03-10"}',1796013560005364,1,0,29,40,'{"CRD":0}','0d91ead62a102f9f8cdd3c1b354e25108b612533bf991abbfeca54b13c4de1d4','5034a22ab5a85407f54887e5526a281a600d8ddc7714f891f2e33a2233a56ef6');
INSERT INTO batches VALUES(10,10,10,'ingest',NULL,NULL,'{"files":["-"]}',1796013561418424,21,21,41,41,'{"CRD":55488000}','fd09a03060691c8ba3b2799768ab305dfea8c5ac0bfc96129502d538c156a116','0d91ead62a102f9f8cdd3c1b354e25108b612533bf991abbfeca54b13c4de1d4');
INSERT INTO batches VALUES(11,11,11,'ingest',NULL,NULL,'{"files":["-"]}',1796013565165993,22,22,42,42,'{"CRD":32000000}','0c98d9af13143580ab997a2113b9c8c282b566fa0b3c80ef0bcc9ee481b3dd31','fd09a03060691c8ba3b2799768ab305dfea8c5ac0bfc96129502d538c156a116');
INSERT INTO batches VALUES(12,12,12,'void','late',NULL,'{}',1796013566344427,1,0,43,43,'{"CRD":-3048000000}','96e66617754c4b26a63cc2ea762d5cf9f2007c4548557c62d2bbbb63ba3ece62','0c98d9af13143580ab997a2113b9c8c282b566fa0b3c80ef0bcc9ee481b3dd31');
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
INSERT INTO card_versions VALUES(1,'evolink','built-in','9b9145af6114e2ab1baa717ad3b6fab15646fff6add3dbffee1714ec4d87aad2',replace('# EvoLink''s prices of the Doubao Seed 2.0 models, in credits per 1M tokens. Bounds are inclusive; K is 1,000.\n#\n# Where each figure comes from:\n#   code   tiers 1 and 3, the cached rate and the limits: EvoLink''s page of code. Tier 2: Volcengine''s list x 10.\n#   mini   all tiers and the cached rate: EvoLink''s page of mini.\n#   pro    Volcengine''s list x 10; its cached rate flat, as on EvoLink''s pages of code and mini.\n#   lite   the same as pro.\n#   cache storage, all models: Volcengine''s list x 10 (EvoLink says only "charged separately per hour").\n# "Volcengine''s list" is document 82379/1544106, read 2026-09-12; x 10 is 10 credits for 1 CNY.\n# `derived = true` marks an entry in which at least one figure is not EvoLink''s own word.\n\nprovider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n\n# The page''s own pairs: 32 credits = $0.444, 6.4 credits = $0.089 (per 1M tokens).\n[[conversion]]\nper_usd = "72"\neffective_from = 2026-02-01\nsource_url = "https://evolink.ai/seed-2-0?model=seed-2-0-code"\nchecked_on = 2026-11-22\n\n[[model]]\nid = "doubao-seed-2.0-pro"\naliases = ["doubao-seed-2-0-pro-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-09-12\nderived = true  # all figures\ncache_storage_per_hour = "0.17"  # Volcengine x 10\ntiers = [\n  { up_to = 32_000,  input = "32", cached_input = "6.4", output = "160" },\n  { up_to = 128_000, input = "48", cached_input = "6.4", output = "240" },\n  { up_to = 256_000, input = "96", cached_input = "6.4", output = "480" },\n]\n\n[[model]]\nid = "doubao-seed-2.0-code"\naliases = ["doubao-seed-2-0-code-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://evolink.ai/seed-2-0?model=seed-2-0-code"\nchecked_on = 2026-11-22\nderived = true  # tier 2 and cache storage\ncache_storage_per_hour = "0.17"  # Volcengine x 10\ntiers = [\n  { up_to = 32_000,  input = "32", cached_input = "6.4", output = "160" },\n  { up_to = 128_000, input = "48", cached_input = "6.4", output = "240" },  # Volcengine x 10\n  { up_to = 256_000, input = "96", cached_input = "6.4", output = "480" },\n]\n\n[[model]]\nid = "doubao-seed-2.0-lite"\naliases = ["doubao-seed-2-0-lite-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-09-12\nderived = true  # all figures\ncache_storage_per_hour = "0.17"  # Volcengine x 10\ntiers = [\n  { up_to = 32_000,  input = "6",  cached_input = "1.2", output = "36" },\n  { up_to = 128_000, input = "9",  cached_input = "1.2", output = "54" },\n  { up_to = 256_000, input = "18", cached_input = "1.2", output = "108" },\n]\n\n[[model]]\nid = "doubao-seed-2.0-mini"\naliases = ["doubao-seed-2-0-mini-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://evolink.ai/seed-2-0?model=seed-2-0-mini"\nchecked_on = 2026-11-22\nderived = true  # cache storage only\ncache_storage_per_hour = "0.17"  # Volcengine x 10\ntiers = [\n  { up_to = 32_000,  input = "2", cached_input = "0.4", output = "20" },\n  { up_to = 128_000, input = "4", cached_input = "0.4", output = "40" },\n  { up_to = 256_000, input = "8", cached_input = "0.4", output = "80" },\n]\n','\n',char(10)),NULL,1796013544454080);
INSERT INTO card_versions VALUES(2,'volcengine','built-in','89e9050ac52ee5efdc717814729f49abe1bcb58a78076eb5bbfae5814fbce9a1',replace('# Volcengine''s list prices of the Doubao Seed models, in CNY per 1M tokens. Bounds are inclusive; K is 1,000.\n#\n# Where each figure comes from:\n#   2.0       Volcengine''s list, document 82379/1544106, read 2026-09-12.\n#   2.1, evolving   the same list as models.dev read it on 2026-08-26, in USD at 6.737012 CNY (0.8906 USD are 6 CNY);\n#             begun on 2026-06-23, when 2.1 was released.\n#   1.8       the model''s own page in Volcengine''s documentation; the prices of short answers and of prompts above\n#             32K as models.dev read them on 2026-08-26 too.\n# `derived = true` marks an entry in which at least one figure isn''t as Volcengine''s page has it.\n# The conversion is the one that EvoLink''s 72 credits to the dollar imply at 10 credits for 1 CNY.\n\nprovider = "volcengine"\ncurrency = "CNY"\nper_tokens = 1_000_000\n\n[[conversion]]\nper_usd = "7.2"\neffective_from = 2026-02-01\n\n[[model]]\nid = "doubao-seed-2.0-pro"\naliases = ["doubao-seed-2-0-pro-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-09-12\ncache_storage_per_hour = "0.017"\ntiers = [\n  { up_to = 32_000,  input = "3.2", cached_input = "0.64", output = "16" },\n  { up_to = 128_000, input = "4.8", cached_input = "0.96", output = "24" },\n  { up_to = 256_000, input = "9.6", cached_input = "1.92", output = "48" },\n]\n\n[[model]]\nid = "doubao-seed-2.0-code"\naliases = ["doubao-seed-2-0-code-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-09-12\ncache_storage_per_hour = "0.017"\ntiers = [\n  { up_to = 32_000,  input = "3.2", cached_input = "0.64", output = "16" },\n  { up_to = 128_000, input = "4.8", cached_input = "0.96", output = "24" },\n  { up_to = 256_000, input = "9.6", cached_input = "1.92", output = "48" },\n]\n\n[[model]]\nid = "doubao-seed-2.0-lite"\naliases = ["doubao-seed-2-0-lite-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-09-12\ncache_storage_per_hour = "0.017"\ntiers = [\n  { up_to = 32_000,  input = "0.6", cached_input = "0.12", output = "3.6" },\n  { up_to = 128_000, input = "0.9", cached_input = "0.18", output = "5.4" },\n  { up_to = 256_000, input = "1.8", cached_input = "0.36", output = "10.8" },\n]\n\n[[model]]\nid = "doubao-seed-2.0-mini"\naliases = ["doubao-seed-2-0-mini-*"]\nmax_input_tokens = 256_000\nmax_output_tokens = 128_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-09-12\ncache_storage_per_hour = "0.017"\ntiers = [\n  { up_to = 32_000,  input = "0.2", cached_input = "0.04", output = "2" },\n  { up_to = 128_000, input = "0.4", cached_input = "0.08", output = "4" },\n  { up_to = 256_000, input = "0.8", cached_input = "0.16", output = "8" },\n]\n\n[[model]]\nid = "doubao-seed-2.1-pro"\naliases = ["doubao-seed-2-1-pro-*"]\nmax_input_tokens = 256_000\n\n[[model.price]]\neffective_from = 2026-06-23\nsource_url = "https://github.com/anomalyco/models.dev/blob/dev/providers/volcengine/models/doubao-seed-2.1-pro.toml"\nchecked_on = 2026-08-26\nderived = true\ntiers = [{ input = "6", cached_input = "1.2", output = "30" }]\n\n[[model]]\nid = "doubao-seed-2.1-turbo"\naliases = ["doubao-seed-2-1-turbo-*"]\nmax_input_tokens = 256_000\n\n[[model.price]]\neffective_from = 2026-06-23\nsource_url = "https://github.com/anomalyco/models.dev/blob/dev/providers/volcengine/models/doubao-seed-2.1-turbo.toml"\nchecked_on = 2026-08-26\nderived = true\ntiers = [{ input = "3", cached_input = "0.6", output = "15" }]\n\n[[model]]\nid = "doubao-seed-evolving"\naliases = ["doubao-seed-evolving-*"]\nmax_input_tokens = 1_024_000\n\n[[model.price]]\neffective_from = 2026-06-23\nsource_url = "https://github.com/anomalyco/models.dev/blob/dev/providers/volcengine/models/doubao-seed-evolving.toml"\nchecked_on = 2026-08-26\nderived = true\ntiers = [{ input = "6", cached_input = "1.2", output = "30" }]\n\n[[model]]\nid = "doubao-seed-1.8"\naliases = ["doubao-seed-1-8-*"]\nmax_input_tokens = 256_000\n\n[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://www.volcengine.com/docs/82379/1544106"\nchecked_on = 2026-08-26\nderived = true  # the price of long answers to short prompts\ncache_storage_per_hour = "0.017"\ntiers = [\n  { up_to = 32_000, output_up_to = 200, input = "0.8", cached_input = "0.16", output = "2" },\n  { up_to = 32_000,  input = "0.8", cached_input = "0.16", output = "8" },\n  { up_to = 128_000, input = "1.2", cached_input = "0.16", output = "16" },\n  { up_to = 256_000, input = "2.4", cached_input = "0.16", output = "24" },\n]\n\n[[model.price.service]]\nnames = ["batch"]\nfactor = "0.5"\nmeters = ["input", "output"]\n','\n',char(10)),NULL,1796013544464423);
CREATE TABLE charges (
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
	amount_nano INTEGER NOT NULL, cache_write_5m_nano INTEGER, cache_write_1h_nano INTEGER, call_nano INTEGER, 
	CONSTRAINT pk_charges PRIMARY KEY (id), 
	CONSTRAINT ck_charges_ck_charges_charge_class CHECK (CASE charge_class WHEN 'charge' THEN corrects_id IS NULL AND usage_record_id IS NOT NULL AND amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano + coalesce(cache_write_5m_nano, 0) + coalesce(cache_write_1h_nano, 0) + coalesce(call_nano, 0) WHEN 'replacement' THEN corrects_id IS NOT NULL AND usage_record_id IS NOT NULL AND amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano + coalesce(cache_write_5m_nano, 0) + coalesce(cache_write_1h_nano, 0) + coalesce(call_nano, 0) WHEN 'reversal' THEN corrects_id IS NOT NULL WHEN 'adjustment' THEN corrects_id IS NULL ELSE 1 = 0 END)
)
 STRICT

;
INSERT INTO charges VALUES(1,1,1,'charge',NULL,'2026-02','2026-02','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',224000000,0,16000000,0,240000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(2,1,2,'charge',NULL,'2026-02','2026-02','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',444800000,640000,16000000,0,461440000,NULL,NULL,NULL);
INSERT INTO charges VALUES(3,1,3,'charge',NULL,'2026-02','2026-02','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',665600000,1280000,16000000,0,682880000,NULL,NULL,NULL);
INSERT INTO charges VALUES(4,1,4,'charge',NULL,'2026-02','2026-02','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',886400000,1920000,16000000,0,904320000,NULL,NULL,NULL);
INSERT INTO charges VALUES(5,1,5,'charge',NULL,'2026-02','2026-02','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',1660800000,2560000,24000000,0,1687360000,NULL,NULL,NULL);
INSERT INTO charges VALUES(6,1,6,'charge',NULL,'2026-02','2026-02','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',1992000000,3200000,24000000,0,2019200000,NULL,NULL,NULL);
INSERT INTO charges VALUES(7,1,7,'charge',NULL,'2026-02','2026-02','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',2323200000,3840000,24000000,0,2351040000,NULL,NULL,NULL);
INSERT INTO charges VALUES(8,1,8,'charge',NULL,'2026-02','2026-02','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',2654400000,4480000,24000000,0,2682880000,NULL,NULL,NULL);
INSERT INTO charges VALUES(9,2,10,'charge',NULL,'2026-02','2026-02','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'256000',19200000000,0,2400000000,0,21600000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(10,2,11,'charge',NULL,'2026-02','2026-02','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'none',0,0,0,102000000,102000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(11,3,3,'reversal',3,'2026-02','2026-02','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',-665600000,-1280000,-16000000,0,-682880000,NULL,NULL,NULL);
INSERT INTO charges VALUES(12,3,12,'replacement',3,'2026-02','2026-02','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',4799952000,0,24000000,0,4823952000,NULL,NULL,NULL);
INSERT INTO charges VALUES(13,4,5,'reversal',5,'2026-02','2026-02','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-1660800000,-2560000,-24000000,0,-1687360000,NULL,NULL,NULL);
INSERT INTO charges VALUES(14,5,13,'charge',NULL,'2026-02','2026-02','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',1680048000,0,18480000,0,1698528000,NULL,NULL,NULL);
INSERT INTO charges VALUES(15,6,1,'reversal',1,'2026-02','2026-02','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',-224000000,0,-16000000,0,-240000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(16,6,1,'replacement',1,'2026-02','2026-02','search','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',224000000,0,16000000,0,240000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(17,6,4,'reversal',4,'2026-02','2026-02','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',-886400000,-1920000,-16000000,0,-904320000,NULL,NULL,NULL);
INSERT INTO charges VALUES(18,6,4,'replacement',4,'2026-02','2026-02','search','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',886400000,1920000,16000000,0,904320000,NULL,NULL,NULL);
INSERT INTO charges VALUES(19,6,7,'reversal',7,'2026-02','2026-02','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-2323200000,-3840000,-24000000,0,-2351040000,NULL,NULL,NULL);
INSERT INTO charges VALUES(20,6,7,'replacement',7,'2026-02','2026-02','search','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',2323200000,3840000,24000000,0,2351040000,NULL,NULL,NULL);
INSERT INTO charges VALUES(21,7,14,'charge',NULL,'2026-03','2026-03','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',2880000000,0,72000000,0,2952000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(22,7,15,'charge',NULL,'2026-03','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',2976000000,0,72000000,0,3048000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(23,7,16,'charge',NULL,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',3072000000,0,72000000,0,3144000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(24,7,17,'charge',NULL,'2026-03','2026-03','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',3168000000,0,72000000,0,3240000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(25,7,18,'charge',NULL,'2026-03','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',3264000000,0,72000000,0,3336000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(26,7,19,'charge',NULL,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',3360000000,0,72000000,0,3432000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(27,7,20,'charge',NULL,'2026-02','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',128000000,0,16000000,0,144000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(28,8,NULL,'adjustment',NULL,'2026-03','2026-03','p2','evolink','CRD','adjustment',0,NULL,1,'none',0,0,0,0,1500000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(29,9,14,'reversal',21,'2026-03','2026-03','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-2880000000,0,-72000000,0,-2952000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(30,9,14,'replacement',21,'2026-03','2026-03','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',2880000000,0,72000000,0,2952000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(31,9,15,'reversal',22,'2026-03','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-2976000000,0,-72000000,0,-3048000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(32,9,15,'replacement',22,'2026-03','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',2976000000,0,72000000,0,3048000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(33,9,16,'reversal',23,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-3072000000,0,-72000000,0,-3144000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(34,9,16,'replacement',23,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',3072000000,0,72000000,0,3144000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(35,9,17,'reversal',24,'2026-03','2026-03','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-3168000000,0,-72000000,0,-3240000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(36,9,17,'replacement',24,'2026-03','2026-03','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',3168000000,0,72000000,0,3240000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(37,9,18,'reversal',25,'2026-03','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-3264000000,0,-72000000,0,-3336000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(38,9,18,'replacement',25,'2026-03','2026-03','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',3264000000,0,72000000,0,3336000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(39,9,19,'reversal',26,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'128000',-3360000000,0,-72000000,0,-3432000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(40,9,19,'replacement',26,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',3360000000,0,72000000,0,3432000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(41,10,21,'charge',NULL,'2026-03','2026-03','p2','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'32000',39488000,0,16000000,0,55488000,NULL,NULL,NULL);
INSERT INTO charges VALUES(42,11,22,'charge',NULL,'2026-03','2026-04','p0','evolink','CRD','doubao-seed-2.0-pro',0,1,1,'32000',16000000,0,16000000,0,32000000,NULL,NULL,NULL);
INSERT INTO charges VALUES(43,12,15,'reversal',32,'2026-03','2026-04','p1','evolink','CRD','doubao-seed-2.0-pro',0,1,3,'128000',-2976000000,0,-72000000,0,-3048000000,NULL,NULL,NULL);
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
INSERT INTO conversions VALUES(1,'evolink','CRD',72000000000,1769904000000000,'card','https://evolink.ai/seed-2-0?model=seed-2-0-code','2026-11-22',NULL,1796013544462514);
INSERT INTO conversions VALUES(2,'volcengine','CNY',7200000000,1769904000000000,'card',NULL,NULL,NULL,1796013544474152);
INSERT INTO conversions VALUES(3,'evolink','CRD',80000000000,1773100800000000,'user','https://example.com','2026-03-11',NULL,1796013558967000);
CREATE TABLE ledger_settings (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_ledger_settings PRIMARY KEY (name)
)
 STRICT

;
INSERT INTO ledger_settings VALUES('timezone','Asia/Shanghai');
INSERT INTO ledger_settings VALUES('rollup_tags','team');
INSERT INTO ledger_settings VALUES('lock','');
INSERT INTO ledger_settings VALUES('created_at','2026-11-30T04:39:03+00:00');
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
INSERT INTO quarantine VALUES(1,'53cc6f3f04e957debc512253a421b95999f70b16863afc6f9eee8f9b97762e09','accepted','conflict','request ''r2'' of evolink is recorded with other facts: ''tollbook quarantine show'' has both','-',1,200,1,'evolink','r2',1770518000000000,'{"cached_input_tokens":0,"input_tokens":99999,"kind":"request","occurred_at":"2026-02-08T02:33:20Z","output_tokens":100,"project":"p2","provider":"evolink","reasoning_tokens":0,"request_id":"r2","requested_model":"doubao-seed-2.0-pro","source":"evolink","status":"completed"}',1,'{"assume_cache_storage":false,"project":null,"provider":null,"service_tier":null,"source":null,"tags":{},"tool_fees":null}',1796013547022067,1796013547022067,'the gateway corrected it',1796013549139262);
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
INSERT INTO rollup_days VALUES('2026-02-08',1,1,7000,0,100,0,0,224000000,0,16000000,0,240000000,1770500000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',2,1,49000,600,100,0,0,2323200000,3840000,24000000,0,2351040000,1770554000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',3,1,28000,300,100,0,0,886400000,1920000,16000000,0,904320000,1770527000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',4,2,70001,400,177,0,0,3340848000,2560000,42480000,0,3385888000,1770536000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',5,1,14000,100,100,0,0,444800000,640000,16000000,0,461440000,1770509000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',6,1,56000,700,100,0,0,2654400000,4480000,24000000,0,2682880000,1770563000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',7,1,21000,200,100,0,0,665600000,1280000,16000000,0,682880000,1770518000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',8,1,42000,500,100,0,0,1992000000,3200000,24000000,0,2019200000,1770545000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',9,1,200000,0,5000,0,0,19200000000,0,2400000000,0,21600000000,1770500005000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',10,0,0,0,0,0,600000,0,0,0,102000000,102000000,1770500000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',11,-1,-21000,-200,-100,0,0,-665600000,-1280000,-16000000,0,-682880000,1770518000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',12,1,99999,0,100,0,0,4799952000,0,24000000,0,4823952000,1770518000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',13,-1,-35000,-400,-100,0,0,-1660800000,-2560000,-24000000,0,-1687360000,1770536000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',14,-1,-7000,0,-100,0,0,-224000000,0,-16000000,0,-240000000,1770500000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',15,1,7000,0,100,0,0,224000000,0,16000000,0,240000000,1770500000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',16,-1,-28000,-300,-100,0,0,-886400000,-1920000,-16000000,0,-904320000,1770527000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',17,1,28000,300,100,0,0,886400000,1920000,16000000,0,904320000,1770527000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',18,-1,-49000,-600,-100,0,0,-2323200000,-3840000,-24000000,0,-2351040000,1770554000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',19,1,49000,600,100,0,0,2323200000,3840000,24000000,0,2351040000,1770554000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-02-08',21,1,4000,0,100,0,0,128000000,0,16000000,0,144000000,1770500077000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-01',24,0,0,0,0,0,0,0,0,0,0,1500000000,1772294400000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-08',32,1,500,0,100,0,0,16000000,0,16000000,0,32000000,1772900500000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',20,2,126000,0,600,0,0,6048000000,0,144000000,0,6192000000,1773197000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',22,2,130000,0,600,0,0,6240000000,0,144000000,0,6384000000,1773206000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',23,2,134000,0,600,0,0,6432000000,0,144000000,0,6576000000,1773215000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',25,-2,-126000,0,-600,0,0,-6048000000,0,-144000000,0,-6192000000,1773197000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',26,2,126000,0,600,0,0,6048000000,0,144000000,0,6192000000,1773197000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',27,-2,-130000,0,-600,0,0,-6240000000,0,-144000000,0,-6384000000,1773206000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',28,2,130000,0,600,0,0,6240000000,0,144000000,0,6384000000,1773206000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',29,-2,-134000,0,-600,0,0,-6432000000,0,-144000000,0,-6576000000,1773215000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',30,2,134000,0,600,0,0,6432000000,0,144000000,0,6576000000,1773215000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-11',33,-1,-62000,0,-300,0,0,-2976000000,0,-72000000,0,-3048000000,1773179000000000,0,0,0,0,0,0);
INSERT INTO rollup_days VALUES('2026-03-13',31,1,1234,0,100,0,0,39488000,0,16000000,0,55488000,1773400000000000,0,0,0,0,0,0);
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
INSERT INTO rollup_keys VALUES(1,'7b8bcdec2d09484e839cf0a907dabb19064a1413f053c34cc15601ca4b2fc91f','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','32000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(2,'f84e73ce648c6d3800cb242b2e94f9a50826fd1854c303fb8d7ee3ff095f3649','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','128000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(3,'0708780e304309d782d438fcf2df0b534194cdf51680affdb5735ab3b456cc54','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','32000','completed','request','charge','{"team":"a"}',1,1);
INSERT INTO rollup_keys VALUES(4,'f8621aeb4a375509881af50759cb94da48419e88f818dcc89a4f3b122a0eb507','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(5,'25a0148760229c3393ba183ef32cea315e30945061c2f4ee2520ec58823c39f7','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','32000','completed','request','charge','{"team":"a"}',1,1);
INSERT INTO rollup_keys VALUES(6,'ef7993525b37ab023dfaf811a74b664b2de9c185073b2b5cf77d6ad052c18464','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','charge','{"team":"a"}',1,1);
INSERT INTO rollup_keys VALUES(7,'ee03c8abefc9a4489f67a022f0a516d218e5f8eb326f5b9fabc1dbe13db31ebb','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','32000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(8,'54d890102271bf337ad55682f9274a1f1846b1e7a5973c3f2eebe2c6907721da','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','128000','completed','request','charge','{"team":"a"}',1,1);
INSERT INTO rollup_keys VALUES(9,'54628155fc6c724f40aea7ab5d15f77c88e302943a85eefcc595a0c3afeb6bcc','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','256000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(10,'072007438008ac7a697adc53f30bce7c2dd8d1c32da5706bedccebd07488d941','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','none','completed','cache_storage','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(11,'343f0d0bb0836cb5571d12a8a1a2f0077d38cafcb123a1ebac417accccacd1e9','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','32000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(12,'86f3818ed816e361144d232de78ea23f6de6ae6f50be8ad743c9feb1b755b02f','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','128000','completed','request','replacement','{}',1,1);
INSERT INTO rollup_keys VALUES(13,'eb7df94f1106544ddc2b89411afe604f24a0e0d7e72acd055418cd0df64cd832','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(14,'90df48ea53ed5273b5b14c6a67dda94a9035a8339b7fd5cbf9ebb827d4c0fcad','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','32000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(15,'5597a938bf7e4ae9378b7fa9441ed4f046ed8c782b8bdc77a180cbffe5f090cf','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','search','32000','completed','request','replacement','{}',1,1);
INSERT INTO rollup_keys VALUES(16,'818bc227aff3fa872ca978c98aa2cac3f36a16467635c1fbc3928b408ed2c8fd','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','32000','completed','request','reversal','{"team":"a"}',1,1);
INSERT INTO rollup_keys VALUES(17,'9b70470a175c5efc0113f6c2da87df6372199436c24d250d2be672682fb07c88','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','search','32000','completed','request','replacement','{"team":"a"}',1,1);
INSERT INTO rollup_keys VALUES(18,'b6ce67612b0b0382689369b565488bf08b720261628c0684a61c17872992b396','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','128000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(19,'8487331251a7114b06579bae95798c8a440b68cf5dae98ec508c155698a1d6f1','2026-02','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','search','128000','completed','request','replacement','{}',1,1);
INSERT INTO rollup_keys VALUES(20,'f7dae7ac77346947dab7c5f22efbb9051537951f829bb1c81f4e24ce20d37dcb','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','128000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(21,'596bf4c612c28311d29459bf6974fb6691f1a4afa73247b1641e37926d831e90','2026-03','2026-02','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','32000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(22,'f68bd716e0e16e135c941ba97aed4794ec9bd0eb999a6cd73db64c66d7019142','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(23,'8603a43eb2b59173c3fb577695afe90aff8a8cc7ac35d8a7936b011216f36509','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','128000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(24,'ae993979fb6dfa00345e386ff81651ee166266a6362691039f775108a093bf51','2026-03','2026-03','evolink','evolink','CRD','adjustment','p2','none','completed','adjustment','adjustment','{}',NULL,1);
INSERT INTO rollup_keys VALUES(25,'8605329926269050334c743326c37da2f534c024e19f85f36ac6b2c9b2f47e4c','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','128000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(26,'414eb19ed55f0920e15a39163f351740b1793132ce28ce051d340629579de9d0','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','128000','completed','request','replacement','{}',1,3);
INSERT INTO rollup_keys VALUES(27,'6cb3b54c22546def88393225c4511c841e44b9a217d95f5774d10efb885eb2d6','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(28,'8dac790ca5fb3c1c6056bfbae115b055041694e11429b858c07441032fe651dc','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','replacement','{}',1,3);
INSERT INTO rollup_keys VALUES(29,'53e7e9e9a50b9afa8cbcd7386ec4ec1f0808dcd9cf1534ed0f513819a367a037','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','128000','completed','request','reversal','{}',1,1);
INSERT INTO rollup_keys VALUES(30,'1b2a3a412430b52d04eff447cb1ac5f16afff74d1a11d4efc9e04f6ae2fbff29','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','128000','completed','request','replacement','{}',1,3);
INSERT INTO rollup_keys VALUES(31,'38f02b94ce7dd196f0e8d2805fde65e081413fbde488b5dabb7bcc32481040fe','2026-03','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p2','32000','completed','request','charge','{}',1,3);
INSERT INTO rollup_keys VALUES(32,'a538a4f427506575feada4f8fe25457c6149be263a7d35a767d66e06d0409144','2026-04','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p0','32000','completed','request','charge','{}',1,1);
INSERT INTO rollup_keys VALUES(33,'57d11b22fa9a54660b487ef535a76707f94aab13867221aac31b9e664b4abb9e','2026-04','2026-03','evolink','evolink','CRD','doubao-seed-2.0-pro','p1','128000','completed','request','reversal','{}',1,3);
CREATE TABLE sources (
	source TEXT NOT NULL, 
	last_occurred_at INTEGER NOT NULL, 
	last_ingest_at INTEGER NOT NULL, 
	CONSTRAINT pk_sources PRIMARY KEY (source)
)
 STRICT

;
INSERT INTO sources VALUES('evolink',1773400000000000,1796013565166705);
CREATE TABLE usage_records (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	source TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	provider TEXT NOT NULL, 
	occurred_at INTEGER NOT NULL, 
	requested_model TEXT, 
	reported_model TEXT, 
	project TEXT NOT NULL, 
	status TEXT NOT NULL, 
	service_tier TEXT, 
	input_tokens INTEGER NOT NULL, 
	cached_input_tokens INTEGER NOT NULL, 
	output_tokens INTEGER NOT NULL, 
	reasoning_tokens INTEGER NOT NULL, 
	tags TEXT NOT NULL, 
	storage_tokens INTEGER, 
	storage_end INTEGER, 
	provider_amount_nano INTEGER, 
	assumed INTEGER NOT NULL, tool_calls INTEGER, cache_write_5m_tokens INTEGER, cache_write_1h_tokens INTEGER, calls INTEGER, 
	CONSTRAINT pk_usage_records PRIMARY KEY (id), 
	CONSTRAINT ck_usage_records_ck_usage_records_facts CHECK (kind IN ('request', 'cache_storage') AND 0 <= cached_input_tokens AND cached_input_tokens + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) <= input_tokens AND 0 <= coalesce(cache_write_5m_tokens, 0) AND 0 <= coalesce(cache_write_1h_tokens, 0) AND 0 <= coalesce(calls, 0) AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens), 
	CONSTRAINT uq_usage_records_identity UNIQUE (request_id, source, kind, generation)
)
 STRICT

;
INSERT INTO usage_records VALUES(1,1,'request','evolink','r0',0,'evolink',1770500000000000,'doubao-seed-2.0-pro',NULL,'p0','completed',NULL,7000,0,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(2,1,'request','evolink','r1',0,'evolink',1770509000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,14000,100,100,0,'{"team":"a","user":"u1"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(3,1,'request','evolink','r2',0,'evolink',1770518000000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,21000,200,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(4,1,'request','evolink','r3',0,'evolink',1770527000000000,'doubao-seed-2.0-pro',NULL,'p0','completed',NULL,28000,300,100,0,'{"team":"a","user":"u3"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(5,1,'request','evolink','r4',0,'evolink',1770536000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,35000,400,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(6,1,'request','evolink','r5',0,'evolink',1770545000000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,42000,500,100,0,'{"team":"a","user":"u5"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(7,1,'request','evolink','r6',0,'evolink',1770554000000000,'doubao-seed-2.0-pro',NULL,'p0','completed',NULL,49000,600,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(8,1,'request','evolink','r7',0,'evolink',1770563000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,56000,700,100,0,'{"team":"a","user":"u7"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(10,2,'request','evolink','r20',0,'evolink',1770500005000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,200000,0,5000,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(11,2,'cache_storage','evolink','s1',0,'evolink',1770500000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,0,0,0,0,'{}',50000,1770540000000000,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(12,3,'request','evolink','r2',1,'evolink',1770518000000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,99999,0,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(13,5,'request','evolink','r4',1,'evolink',1770536000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,35001,0,77,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(14,7,'request','evolink','r30',0,'evolink',1773170000000000,'doubao-seed-2.0-pro',NULL,'p0','completed',NULL,60000,0,300,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(15,7,'request','evolink','r31',0,'evolink',1773179000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,62000,0,300,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(16,7,'request','evolink','r32',0,'evolink',1773188000000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,64000,0,300,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(17,7,'request','evolink','r33',0,'evolink',1773197000000000,'doubao-seed-2.0-pro',NULL,'p0','completed',NULL,66000,0,300,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(18,7,'request','evolink','r34',0,'evolink',1773206000000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,68000,0,300,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(19,7,'request','evolink','r35',0,'evolink',1773215000000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,70000,0,300,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(20,7,'request','evolink','r40',0,'evolink',1770500077000000,'doubao-seed-2.0-pro',NULL,'p1','completed',NULL,4000,0,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(21,10,'request','evolink','r50',0,'evolink',1773400000000000,'doubao-seed-2.0-pro',NULL,'p2','completed',NULL,1234,0,100,0,'{}',NULL,NULL,NULL,0,2,NULL,NULL,NULL);
INSERT INTO usage_records VALUES(22,11,'request','evolink','r51',0,'evolink',1772900500000000,'doubao-seed-2.0-pro',NULL,'p0','completed',NULL,500,0,100,0,'{}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
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
INSERT INTO rate_entries VALUES(1,1,'evolink','doubao-seed-2.0-pro','CRD',1769904000000000,'evolink/doubao-seed-2.0-pro/2026-02-01#36cca0d1','36cca0d12e7f0b15e43d3729249643f8c683841b9a0153a0bcf088e6e11b9ce3','{"cache_storage_pico":170000,"currency":"CRD","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-pro","provider":"evolink","settlement":null,"tiers":[[32000,32000000,6400000,160000000],[128000,48000000,6400000,240000000],[256000,96000000,6400000,480000000]]}',1796013544455489);
INSERT INTO rate_entries VALUES(2,1,'evolink','doubao-seed-2.0-code','CRD',1769904000000000,'evolink/doubao-seed-2.0-code/2026-02-01#c319ab08','c319ab083c993bd23c8e9bc12d51da79f1f1b11b7120a83b5e276e1bfd0317ed','{"cache_storage_pico":170000,"currency":"CRD","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-code","provider":"evolink","settlement":null,"tiers":[[32000,32000000,6400000,160000000],[128000,48000000,6400000,240000000],[256000,96000000,6400000,480000000]]}',1796013544455489);
INSERT INTO rate_entries VALUES(3,1,'evolink','doubao-seed-2.0-lite','CRD',1769904000000000,'evolink/doubao-seed-2.0-lite/2026-02-01#46d93da6','46d93da6fc12c96daa5b673ed67ef9d10ef877fbbbe050942c063c5e3761d355','{"cache_storage_pico":170000,"currency":"CRD","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-lite","provider":"evolink","settlement":null,"tiers":[[32000,6000000,1200000,36000000],[128000,9000000,1200000,54000000],[256000,18000000,1200000,108000000]]}',1796013544455489);
INSERT INTO rate_entries VALUES(4,1,'evolink','doubao-seed-2.0-mini','CRD',1769904000000000,'evolink/doubao-seed-2.0-mini/2026-02-01#2de65c6b','2de65c6b5aba7c48c07bfb4953a97c250aa5f1dd6e013541d42e71e34214d6da','{"cache_storage_pico":170000,"currency":"CRD","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-mini","provider":"evolink","settlement":null,"tiers":[[32000,2000000,400000,20000000],[128000,4000000,400000,40000000],[256000,8000000,400000,80000000]]}',1796013544455489);
INSERT INTO rate_entries VALUES(5,2,'volcengine','doubao-seed-2.0-pro','CNY',1769904000000000,'volcengine/doubao-seed-2.0-pro/2026-02-01#0be5719a','0be5719a2c08de622d2368a51c36fdc71b3f43a6c3bdb5ff3875cc4a8b1c38c2','{"cache_storage_pico":17000,"currency":"CNY","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-pro","provider":"volcengine","settlement":null,"tiers":[[32000,3200000,640000,16000000],[128000,4800000,960000,24000000],[256000,9600000,1920000,48000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(6,2,'volcengine','doubao-seed-2.0-code','CNY',1769904000000000,'volcengine/doubao-seed-2.0-code/2026-02-01#9931c6bb','9931c6bb6fa2f9bad630697e47261ee9960eff71944cbfea5f695823839c3a7c','{"cache_storage_pico":17000,"currency":"CNY","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-code","provider":"volcengine","settlement":null,"tiers":[[32000,3200000,640000,16000000],[128000,4800000,960000,24000000],[256000,9600000,1920000,48000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(7,2,'volcengine','doubao-seed-2.0-lite','CNY',1769904000000000,'volcengine/doubao-seed-2.0-lite/2026-02-01#87518e1b','87518e1b3a5700b746018c6c9c7748925468abcf2e0ebb77bcf453a2191e5f0e','{"cache_storage_pico":17000,"currency":"CNY","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-lite","provider":"volcengine","settlement":null,"tiers":[[32000,600000,120000,3600000],[128000,900000,180000,5400000],[256000,1800000,360000,10800000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(8,2,'volcengine','doubao-seed-2.0-mini','CNY',1769904000000000,'volcengine/doubao-seed-2.0-mini/2026-02-01#07ce0453','07ce045304d7892ba52e3c756cb9af236e8e58fcd2767451189eaa434d641304','{"cache_storage_pico":17000,"currency":"CNY","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":128000,"model":"doubao-seed-2.0-mini","provider":"volcengine","settlement":null,"tiers":[[32000,200000,40000,2000000],[128000,400000,80000,4000000],[256000,800000,160000,8000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(9,2,'volcengine','doubao-seed-2.1-pro','CNY',1782172800000000,'volcengine/doubao-seed-2.1-pro/2026-06-23#8bdff810','8bdff810cdbb83bba836685e44315d69688f6cfd1c196553e2d8bec0583b18df','{"cache_storage_pico":null,"currency":"CNY","effective_from":"2026-06-23T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":null,"model":"doubao-seed-2.1-pro","provider":"volcengine","settlement":null,"tiers":[[null,6000000,1200000,30000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(10,2,'volcengine','doubao-seed-2.1-turbo','CNY',1782172800000000,'volcengine/doubao-seed-2.1-turbo/2026-06-23#b5fffe89','b5fffe897e73b9818ee2a4dbd5b54a5cb2c5650e3e6c9a13e3956f30c0d48b68','{"cache_storage_pico":null,"currency":"CNY","effective_from":"2026-06-23T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":null,"model":"doubao-seed-2.1-turbo","provider":"volcengine","settlement":null,"tiers":[[null,3000000,600000,15000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(11,2,'volcengine','doubao-seed-evolving','CNY',1782172800000000,'volcengine/doubao-seed-evolving/2026-06-23#b7ea4b3e','b7ea4b3ed69998a40986b6fdc7a006503c5dee0f328b8c2f43fb2a763db36d14','{"cache_storage_pico":null,"currency":"CNY","effective_from":"2026-06-23T00:00:00+00:00","effective_to":null,"max_input_tokens":1024000,"max_output_tokens":null,"model":"doubao-seed-evolving","provider":"volcengine","settlement":null,"tiers":[[null,6000000,1200000,30000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(12,2,'volcengine','doubao-seed-1.8','CNY',1769904000000000,'volcengine/doubao-seed-1.8/2026-02-01#9a033a80','9a033a804611c04e4cbe5d0a4957864b13692036ae663df076dc98586f922d3d','{"cache_storage_pico":17000,"currency":"CNY","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":null,"model":"doubao-seed-1.8","provider":"volcengine","settlement":null,"tiers":[[32000,800000,160000,2000000,200],[32000,800000,160000,8000000],[128000,1200000,160000,16000000],[256000,2400000,160000,24000000]]}',1796013544466785);
INSERT INTO rate_entries VALUES(13,2,'volcengine','doubao-seed-1.8','CNY',1769904000000000,'volcengine/doubao-seed-1.8/2026-02-01/batch#043b94a9','043b94a9a8a363f244d3e746d0041ced283c7f3011e9306f869f5388487d8e73','{"cache_storage_pico":17000,"currency":"CNY","effective_from":"2026-02-01T00:00:00+00:00","effective_to":null,"max_input_tokens":256000,"max_output_tokens":null,"model":"doubao-seed-1.8","provider":"volcengine","service":"batch","settlement":null,"tiers":[[32000,400000,160000,1000000,200],[32000,400000,160000,4000000],[128000,600000,160000,8000000],[256000,1200000,160000,12000000]]}',1796013544466785);
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
INSERT INTO closings VALUES(1,'close','2026-02',1,1796013553772630,'a test',1,20,20,'{"CRD":36883360000}','954563112d67e3bd43e1c796f3456f47f4c90c0b112af6dc3abd0ed6e38260e6','postpaid','Asia/Shanghai',1,'','14e47a71b7a04cc12bcb653647256263ee16d184263be44a5a947cb52ceb4abb','{"focus":{},"rollup_tags":["team"]}');
INSERT INTO closings VALUES(2,'close','2026-03',1,1796013562726882,'a test',1,41,21,'{"CRD":20851488000}','d912e95fbf50ccec7b27bdbae593d13fbde12638ce87ab39054de807053308c7','postpaid','Asia/Shanghai',1,'14e47a71b7a04cc12bcb653647256263ee16d184263be44a5a947cb52ceb4abb','beb557dbbc20cc16c166ff87adece851f62e3e8d823bb5d262cb1cacc05b69e1','{"focus":{},"rollup_tags":["team"]}');
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
INSERT INTO log_entries VALUES(1,1796013543498241,'ann','0.1.0','[["ledger_settings",0,0,"e878e8cb7ad614d58fad93163fc3bacc9a68bdd0e33293377eb6a1fad7b343e3"]]',NULL,'0000000000000000000000000000000000000000000000000000000000000000','','2be0894e7b5501740b1b4cc0dbd5d7b2d35a6619817a74259d3f4587e36bcacf');
INSERT INTO log_entries VALUES(2,1796013544476397,'ann','0.1.0','[["card_versions",1,2,"793d1ae21736dd331c858339940c2d0d1ce7374fa5d382a39a83f644e11f0aae"],["rate_entries",1,13,"34ab53cc4da5643b58a5dab967dd3bda52a4d86f9ceba0d09f4f08d2415d8117"],["conversions",1,2,"f605791b4046540509a2dba1613d3546da9fdfa781785bee277606639038b4f5"]]',NULL,'0000000000000000000000000000000000000000000000000000000000000000','2be0894e7b5501740b1b4cc0dbd5d7b2d35a6619817a74259d3f4587e36bcacf','f2972171761b77ff2333bfbb5e580440f7578195d6ed4f88c650732668cc1f15');
INSERT INTO log_entries VALUES(3,1796013544603256,'ann','0.1.0','[["batches",1,1,"fb5f90cae6e456faabc557b46960e0f9de7884dba40eabea4f3b19346f938079"]]',NULL,'0000000000000000000000000000000000000000000000000000000000000000','f2972171761b77ff2333bfbb5e580440f7578195d6ed4f88c650732668cc1f15','e3c5ac6822c4d61932630c0addcb44dac4e0c0df65a04b64c8418d16e2047aa7');
INSERT INTO log_entries VALUES(4,1796013545712267,'ann','0.1.0','[["batches",2,2,"7f3207c37a042332e3dfe54bec8dd00ff91fa53217aa87997fade43571e9aa37"]]',NULL,'0000000000000000000000000000000000000000000000000000000000000000','e3c5ac6822c4d61932630c0addcb44dac4e0c0df65a04b64c8418d16e2047aa7','748ced0d2dbc034a5af6aef6a5d9e6fc7f30c6062dd44469288ee5d063c00420');
INSERT INTO log_entries VALUES(5,1796013547029615,'ann','0.1.0','[["quarantine",1,1,"bbc252434a292c69dbfdf817db24c95cf44d3a149ea7cbb680a135d8614113ab"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','748ced0d2dbc034a5af6aef6a5d9e6fc7f30c6062dd44469288ee5d063c00420','7c843cd2f249aac96fa6dc689f7a5a97e46dadcf8f2d54a35e61bb77703956e0');
INSERT INTO log_entries VALUES(6,1796013549140221,'ann','0.1.0','[["batches",3,3,"848a686a74759fe178074209a1133b09b90abeedb156423f5ec75f7dba5ea81b"]]','{"accepted":[[1,1]]}','19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','7c843cd2f249aac96fa6dc689f7a5a97e46dadcf8f2d54a35e61bb77703956e0','396fd08c9c34f58392ef78217ce51a28fd57787f4eeb0885f26d900f6e2bc237');
INSERT INTO log_entries VALUES(7,1796013550103651,'ann','0.1.0','[["batches",4,4,"d71785e785333d8b2f74e56010b4a8ddcff9f3e178d44bddbb65e7e7e90d8d9f"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','396fd08c9c34f58392ef78217ce51a28fd57787f4eeb0885f26d900f6e2bc237','af7f6cee4ee3099f2cf3fe9cf13d641c0c80735fe133c62ff2115fd8a88ab5de');
INSERT INTO log_entries VALUES(8,1796013551321617,'ann','0.1.0','[["batches",5,5,"afa48fdddbb1342446467f02a0421e719060fd6c37cb4a5f3c1734398bf3fdf3"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','af7f6cee4ee3099f2cf3fe9cf13d641c0c80735fe133c62ff2115fd8a88ab5de','3c9911f82a9514c509bf7d8a4d3bc1f0feab1373735196ec0711437c8eab4889');
INSERT INTO log_entries VALUES(9,1796013552524924,'ann','0.1.0','[["batches",6,6,"8df2406f5c4c1e38d9f898f082ad47db8285a98b162d39834dadd12e64ae9928"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','3c9911f82a9514c509bf7d8a4d3bc1f0feab1373735196ec0711437c8eab4889','a05e71c5f5fbe4143027a748809a33b24ca27e75afdfb396115c901e1e54c0b6');
INSERT INTO log_entries VALUES(10,1796013553805877,'ann','0.1.0','[["closings",1,1,"4c6d0b81621af2c2fc86fb2cb7c2378de7ef1bffe2d96a3e7a2c40a2512d89a8"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','a05e71c5f5fbe4143027a748809a33b24ca27e75afdfb396115c901e1e54c0b6','6c380ce8607b7e28795c02665832effb713b56b6368a812fe8b71302b39bc058');
INSERT INTO log_entries VALUES(11,1796013556499715,'ann','0.1.0','[["batches",7,7,"b1ddd5dd5029640ab3250c17635c781f95373bcfeb000b1b24068870ca25dd77"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','6c380ce8607b7e28795c02665832effb713b56b6368a812fe8b71302b39bc058','48cf94f060e6dbc716f3d17df701e46c1940625c174327b378d711c691c74e79');
INSERT INTO log_entries VALUES(12,1796013557974950,'ann','0.1.0','[["batches",8,8,"8baee72af962b16a001a1a7e14bd9a61e39950f6c02f665619c07078f4d3af65"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','48cf94f060e6dbc716f3d17df701e46c1940625c174327b378d711c691c74e79','93448550f5b43b17e7bb7112b964c5fa1c07b8e6b26ec394edca2c4eff6b4464');
INSERT INTO log_entries VALUES(13,1796013558968211,'ann','0.1.0','[["conversions",3,3,"81003688288c0e59960bd0a45a9971d7ccda21e4c3b7ee57c0afa90324f0a602"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','93448550f5b43b17e7bb7112b964c5fa1c07b8e6b26ec394edca2c4eff6b4464','65b8bdf7be34e387c751b2fe96932ff7ac6498de30bcf9940e33b435b1acf9c2');
INSERT INTO log_entries VALUES(14,1796013560019438,'ann','0.1.0','[["batches",9,9,"89c6707f668db20ab22dc5a212d462ae0b2dd41e4df1858aab99f712a60689dc"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','65b8bdf7be34e387c751b2fe96932ff7ac6498de30bcf9940e33b435b1acf9c2','6ad6d0095729025761f6e86881a1a0f1ac53a2ba8ffcf37c7086a327ec416b61');
INSERT INTO log_entries VALUES(15,1796013561419432,'ann','0.1.0','[["batches",10,10,"1b232d6b4bbc470c9191a5ab54d4de3c74dda51bf47434fde2f956ad8426b080"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','6ad6d0095729025761f6e86881a1a0f1ac53a2ba8ffcf37c7086a327ec416b61','7bf4b82cf51f93d56427dd484899b83fe3c502f22a28cf0cc2c816b6de76161f');
INSERT INTO log_entries VALUES(16,1796013562818527,'ann','0.1.0','[["closings",2,2,"50f047981e43158142bac27105f147f542d51a65c8a561d4c1cbab9102422575"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','7bf4b82cf51f93d56427dd484899b83fe3c502f22a28cf0cc2c816b6de76161f','771cea885e18655e85d72b67a946c0ac4ade1587b04efd68b0e57b4ef76083be');
INSERT INTO log_entries VALUES(17,1796013565167010,'ann','0.1.0','[["batches",11,11,"e1bbba696df0997f9743743cd6ec450bee963f97f37e23c78c712bd5bcbe3516"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','771cea885e18655e85d72b67a946c0ac4ade1587b04efd68b0e57b4ef76083be','0e291ce685c08292bbe43933c319f12fda8dace080b4db22c0e189a96db86047');
INSERT INTO log_entries VALUES(18,1796013566350608,'ann','0.1.0','[["batches",12,12,"3f2bd73ae762d5d9c2ea47a89a4f8a65d5f306ecaf08982fb1e5ee9d138c871e"]]',NULL,'19b13020ca94964b9ec1a37e6c9e1af25c1773cd45e39916cbab154be1a323f6','0e291ce685c08292bbe43933c319f12fda8dace080b4db22c0e189a96db86047','9bf9b51a439ccd1117612ff60fe7ce8b96629f878b5a5248497106d69de698f0');
CREATE TABLE rollup_quarters (
	half_day INTEGER NOT NULL, 
	key_id INTEGER NOT NULL, 
	quarters INTEGER NOT NULL, 
	cells BLOB NOT NULL, 
	CONSTRAINT pk_rollup_quarters PRIMARY KEY (half_day, key_id)
)
 STRICT

;
INSERT INTO rollup_quarters VALUES(1770465600000000,1,274877906944,X'01020001000004000400040000000000000402b036c800f0b31a0048e80100389c1c0084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,3,1048576,X'01020201000004030400040000000000000402c0da5802c800c8aa6900983a0048e80100a8cd6b0084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,4,1073741824,X'01030202000005030400050000000000000404e22202200362010097428e0100204e00631005001aa193010084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,5,1,X'01020101000004030400040000000000000402606dc8c8003806350088130048e801000802370084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,7,1024,X'0102020100000403040004000000000000040210a49001c80080584f0010270048e80100d867510084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,8,1099511627776,X'01030201000004030400040000000000000402204801e803c8000477ed00a861006cdc020018b5f00084d717');
INSERT INTO rollup_quarters VALUES(1770552000000000,2,4,X'01030201000005030400050000000000000402d07e01b004c80070f21401003075006cdc02000c4418010084d717');
INSERT INTO rollup_quarters VALUES(1770552000000000,6,4096,X'0103020100000503040005000000000000040280b5017805c800dc6d3c0100b888006cdc020000d33f010084d717');
INSERT INTO rollup_quarters VALUES(1770465600000000,9,274877906944,X'01030002000005000500050000000000000402801a0610270080d1f00800301a1e0100b0eb0e0a801a7018');
INSERT INTO rollup_quarters VALUES(1770465600000000,10,274877906944,X'000000000003000000040400000000000004804f1200cb280c00cb280c0084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,11,1024,X'010202010000040304000400000000000004010fa48f01c7ff7f584fff0f27ff47e801ffd767510084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,12,1024,X'010300010000050004000500000000000004023e0d03c800e9323c02006cdc0200550f3f020084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,13,1073741824,X'010302010000040304000400000000000004016f11011f03c7ff97fbc5ff1f4eff6bdc02ff2326c90084d717');
INSERT INTO rollup_quarters VALUES(1770465600000000,14,274877906944,X'01020001000004000400040000000000000401af36c7ffefb31aff47e801ff379c1c0084d717');
INSERT INTO rollup_quarters VALUES(1770465600000000,15,274877906944,X'01020001000004000400040000000000000402b036c800f0b31a0048e80100389c1c0084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,16,1048576,X'01020201000004030400040000000000000401bfda5702c7ffc7aa69ff973aff47e801ffa7cd6b0084d717');
INSERT INTO rollup_quarters VALUES(1770508800000000,17,1048576,X'01020201000004030400040000000000000402c0da5802c800c8aa6900983a0048e80100a8cd6b0084d717');
INSERT INTO rollup_quarters VALUES(1770552000000000,18,4,X'01030201000005030400050000000000000401cf7e01af04c7ff6ff21401ff2f75ff6bdc02ff0b4418010084d717');
INSERT INTO rollup_quarters VALUES(1770552000000000,19,4,X'01030201000005030400050000000000000402d07e01b004c80070f21401003075006cdc02000c4418010084d717');
INSERT INTO rollup_quarters VALUES(1770465600000000,21,274877906944,X'01020001000004000400040000000000000402401fc80040420f0048e80100882a11805e0521');
INSERT INTO rollup_quarters VALUES(1773144000000000,20,268435456,X'01030002000005000400050000000000000402c0d401580200a05257010044950800e4e75f0100105e5f');
INSERT INTO rollup_quarters VALUES(1773144000000000,22,274877906944,X'0103000200000500040005000000000000040260e40158020050c46201004495080094596b0100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,20,1024,X'01030002000005000400050000000000000402a00302580200b0a779010044950800f43c820100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,22,1048576,X'01030002000005000400050000000000000402401302580200601985010044950800a4ae8d0100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,23,1073741825,X'0103000200000500040005000000000000040200f40158020000366e01004495080044cb760100105e5f02e02202580200108b900100449508005420990100105e5f');
INSERT INTO rollup_quarters VALUES(1772280000000000,24,65536,X'000000000000000000000400000000000000005ed0b2');
INSERT INTO rollup_quarters VALUES(1773144000000000,25,268435456,X'01030002000005000400050000000000000401bfd4015702ff9f525701ff439508ffe3e75f0100105e5f');
INSERT INTO rollup_quarters VALUES(1773144000000000,26,268435456,X'01030002000005000400050000000000000402c0d401580200a05257010044950800e4e75f0100105e5f');
INSERT INTO rollup_quarters VALUES(1773144000000000,27,274877906944,X'010300020000050004000500000000000004015fe4015702ff4fc46201ff439508ff93596b0100105e5f');
INSERT INTO rollup_quarters VALUES(1773144000000000,28,274877906944,X'0103000200000500040005000000000000040260e40158020050c46201004495080094596b0100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,25,1024,X'010300020000050004000500000000000004019f03025702ffafa77901ff439508fff33c820100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,26,1024,X'01030002000005000400050000000000000402a00302580200b0a779010044950800f43c820100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,27,1048576,X'010300020000050004000500000000000004013f13025702ff5f198501ff439508ffa3ae8d0100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,28,1048576,X'01030002000005000400050000000000000402401302580200601985010044950800a4ae8d0100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,29,1073741825,X'01030002000005000400050000000000000401fff3015702ffff356e01ff439508ff43cb760100105e5f01df22025702ff0f8b9001ff439508ff5320990100105e5f');
INSERT INTO rollup_quarters VALUES(1773187200000000,30,1073741825,X'0103000200000500040005000000000000040200f40158020000366e01004495080044cb760100105e5f02e02202580200108b900100449508005420990100105e5f');
INSERT INTO rollup_quarters VALUES(1773360000000000,31,17592186044416,X'01020001000004000400040000000000000402a409c80014b5040048e801005c9d060008af2f');
INSERT INTO rollup_quarters VALUES(1772884800000000,32,131072,X'01020001000004000400040000000000000402e803c80048e8010048e8010090d0030008af2f');
INSERT INTO rollup_quarters VALUES(1773144000000000,33,274877906944,X'010300020000050004000500000000000004015fe4015702ff4fc46201ff439508ff93596b0100105e5f');
CREATE INDEX ix_batches_run_id ON batches (run_id);
CREATE UNIQUE INDEX uq_batches_reference ON batches (reference) WHERE reference IS NOT NULL;
CREATE INDEX ix_charges_replacement_usage_record_id ON charges (usage_record_id) WHERE charge_class = 'replacement';
CREATE UNIQUE INDEX uq_charges_corrects_id ON charges (corrects_id, charge_class) WHERE corrects_id IS NOT NULL;
CREATE UNIQUE INDEX uq_charges_usage_record_id ON charges (usage_record_id) WHERE charge_class = 'charge';
CREATE INDEX ix_quarantine_state ON quarantine (state, occurred_at);
CREATE INDEX ix_usage_records_occurred_at ON usage_records (occurred_at);
CREATE TRIGGER usage_records_no_update BEFORE UPDATE ON usage_records BEGIN SELECT RAISE(ABORT, 'usage_records is append-only: post a correction'); END;
CREATE TRIGGER usage_records_no_delete BEFORE DELETE ON usage_records BEGIN SELECT RAISE(ABORT, 'usage_records is append-only: post a correction'); END;
CREATE TRIGGER usage_records_no_replace BEFORE INSERT ON usage_records WHEN EXISTS (SELECT 1 FROM usage_records WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM usage_records WHERE request_id = NEW.request_id AND source = NEW.source AND kind = NEW.kind AND generation = NEW.generation) BEGIN SELECT CASE WHEN EXISTS (SELECT 1 FROM usage_records WHERE id = NEW.id) THEN RAISE(ABORT, 'usage_records is append-only: post a correction') ELSE RAISE(IGNORE) END; END;
CREATE TRIGGER charges_no_update BEFORE UPDATE ON charges BEGIN SELECT RAISE(ABORT, 'charges is append-only: post a correction'); END;
CREATE TRIGGER charges_no_delete BEFORE DELETE ON charges BEGIN SELECT RAISE(ABORT, 'charges is append-only: post a correction'); END;
CREATE TRIGGER charges_no_replace BEFORE INSERT ON charges WHEN EXISTS (SELECT 1 FROM charges WHERE id = NEW.id) OR (NEW.charge_class = 'charge' AND EXISTS (SELECT 1 FROM charges WHERE charge_class = 'charge' AND usage_record_id = NEW.usage_record_id)) OR (NEW.corrects_id IS NOT NULL AND EXISTS (SELECT 1 FROM charges WHERE corrects_id = NEW.corrects_id AND charge_class = NEW.charge_class)) BEGIN SELECT RAISE(ABORT, 'charges is append-only: post a correction'); END;
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
CREATE TRIGGER closings_no_update BEFORE UPDATE ON closings BEGIN SELECT RAISE(ABORT, 'closings is append-only: post a correction'); END;
CREATE TRIGGER closings_no_delete BEFORE DELETE ON closings BEGIN SELECT RAISE(ABORT, 'closings is append-only: post a correction'); END;
CREATE TRIGGER closings_no_replace BEFORE INSERT ON closings WHEN EXISTS (SELECT 1 FROM closings WHERE id = NEW.id OR (month = NEW.month AND number = NEW.number AND action = NEW.action)) BEGIN SELECT RAISE(ABORT, 'closings is append-only: post a correction'); END;
CREATE INDEX ix_wallet_entries_closing_id ON wallet_entries (closing_id);
CREATE TRIGGER wallet_moves_no_update BEFORE UPDATE ON wallet_moves BEGIN SELECT RAISE(ABORT, 'wallet_moves is append-only: post a correction'); END;
CREATE TRIGGER wallet_moves_no_delete BEFORE DELETE ON wallet_moves BEGIN SELECT RAISE(ABORT, 'wallet_moves is append-only: post a correction'); END;
CREATE TRIGGER wallet_moves_no_replace BEFORE INSERT ON wallet_moves WHEN EXISTS (SELECT 1 FROM wallet_moves WHERE id = NEW.id OR reference = NEW.reference) BEGIN SELECT RAISE(ABORT, 'wallet_moves is append-only: post a correction'); END;
CREATE TRIGGER wallet_entries_no_update BEFORE UPDATE ON wallet_entries BEGIN SELECT RAISE(ABORT, 'wallet_entries is append-only: post a correction'); END;
CREATE TRIGGER wallet_entries_no_delete BEFORE DELETE ON wallet_entries BEGIN SELECT RAISE(ABORT, 'wallet_entries is append-only: post a correction'); END;
CREATE TRIGGER wallet_entries_no_replace BEFORE INSERT ON wallet_entries WHEN EXISTS (SELECT 1 FROM wallet_entries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'wallet_entries is append-only: post a correction'); END;
CREATE TRIGGER projects_no_update BEFORE UPDATE ON projects BEGIN SELECT RAISE(ABORT, 'projects is append-only: apply tollbook.toml again'); END;
CREATE TRIGGER projects_no_delete BEFORE DELETE ON projects BEGIN SELECT RAISE(ABORT, 'projects is append-only: apply tollbook.toml again'); END;
CREATE TRIGGER projects_no_replace BEFORE INSERT ON projects WHEN EXISTS (SELECT 1 FROM projects WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'projects is append-only: apply tollbook.toml again'); END;
CREATE INDEX ix_usage_records_tool_calls ON usage_records (tool_calls) WHERE tool_calls IS NOT NULL;
CREATE TRIGGER budgets_no_update BEFORE UPDATE ON budgets BEGIN SELECT RAISE(ABORT, 'budgets is append-only: set the budget again'); END;
CREATE TRIGGER budgets_no_delete BEFORE DELETE ON budgets BEGIN SELECT RAISE(ABORT, 'budgets is append-only: set the budget again'); END;
CREATE TRIGGER budgets_no_replace BEFORE INSERT ON budgets WHEN EXISTS (SELECT 1 FROM budgets WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'budgets is append-only: set the budget again'); END;
CREATE TRIGGER budget_events_no_update BEFORE UPDATE ON budget_events BEGIN SELECT RAISE(ABORT, 'budget_events is append-only: an event stays as it was seen'); END;
CREATE TRIGGER budget_events_no_delete BEFORE DELETE ON budget_events BEGIN SELECT RAISE(ABORT, 'budget_events is append-only: an event stays as it was seen'); END;
CREATE TRIGGER budget_events_no_replace BEFORE INSERT ON budget_events WHEN EXISTS (SELECT 1 FROM budget_events WHERE id = NEW.id OR event_id = NEW.event_id OR (kind = NEW.kind AND name = NEW.name AND period = NEW.period AND percent = NEW.percent AND currency = NEW.currency AND amount_nano = NEW.amount_nano)) BEGIN SELECT RAISE(ABORT, 'budget_events is append-only: an event stays as it was seen'); END;
CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries BEGIN SELECT RAISE(ABORT, 'log_entries is append-only: what was done stays done'); END;
CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries BEGIN SELECT RAISE(ABORT, 'log_entries is append-only: what was done stays done'); END;
CREATE TRIGGER log_entries_no_replace BEFORE INSERT ON log_entries WHEN EXISTS (SELECT 1 FROM log_entries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'log_entries is append-only: what was done stays done'); END;
COMMIT;
