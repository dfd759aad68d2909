/**
 * What is known about built-in functions beyond pg_proc.provolatile. "Stable" there lumps together what depends on settings
 * that are part of every key (fine) with what depends on the clock, the session or other tables (not fine).
 */

/**
 * Stable functions whose result depends on nothing but their arguments, the settings in the key (TimeZone, DateStyle,
 * lc_* …) and catalogs, whose changes empty the cache.
 */
export const settingsFunctions: ReadonlySet<string> = new Set([
  // Casts where the argument is a date or time already (expressions.ts sees to that).
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
  'to_char',
  'to_date',
  'to_timestamp',
  'to_number',
  'date_trunc',
  'date_part',
  'date_add',
  'date_subtract',
  'extract',
  'timezone',
  'make_timestamptz',
  'overlaps',
  'generate_series',
  'length',
  'numeric',
  'money',
  'concat',
  'concat_ws',
  'format',
  'convert',
  'convert_from',
  'convert_to',
  'quote_literal',
  'quote_nullable',
  'array_to_string',
  'array_to_json',
  'row_to_json',
  'to_json',
  'to_jsonb',
  'json_agg',
  'json_agg_strict',
  'json_object_agg',
  'json_object_agg_strict',
  'json_object_agg_unique',
  'json_object_agg_unique_strict',
  'jsonb_agg',
  'jsonb_agg_strict',
  'jsonb_object_agg',
  'jsonb_object_agg_strict',
  'jsonb_object_agg_unique',
  'jsonb_object_agg_unique_strict',
  'json_build_array',
  'json_build_object',
  'jsonb_build_array',
  'jsonb_build_object',
  'enum_first',
  'enum_last',
  'enum_range',
]);

/** Labelled immutable, yet looking up text search configurations and dictionaries, which the fingerprint does not cover. */
export const catalogFunctions: RegExp = /^(?:.*to_ts(?:vector|query)|ts_.*|setweight_.*|get_current_ts_config)$/;

/** Functions named like a type that reads 'now': with an argument of no fitting type the call is a cast from text. */
export const momentCastFunctions: ReadonlySet<string> = new Set(['date', 'time', 'timetz', 'timestamp', 'timestamptz']);

/** Functions whose result is a date or time. */
export const momentResults: ReadonlySet<string> = new Set([
  ...momentCastFunctions,
  'date_trunc',
  'timezone',
  'to_date',
  'to_timestamp',
  'make_date',
  'make_time',
  'make_timestamp',
  'make_timestamptz',
  'date_bin',
  'date_add',
  'date_subtract',
]);

/** Functions that return their (first) argument's type. */
export const sameTypeResults: ReadonlySet<string> = new Set(['min', 'max', 'lag', 'lead', 'first_value', 'last_value']);

/** Volatile by label (they look at the clock, statistics, files, locks), but they leave no trace. */
export const harmlessVolatile: ReadonlySet<string> = new Set([
  'random',
  'random_normal',
  'gen_random_uuid',
  'uuidv4',
  'uuidv7',
  'clock_timestamp',
  'timeofday',
  'pg_sleep',
  'pg_sleep_for',
  'pg_sleep_until',
  'currval',
  'lastval',
  'current_query',
  'pg_blocking_pids',
  'pg_safe_snapshot_blocking_pids',
  'pg_is_in_recovery',
  'pg_is_wal_replay_paused',
  'pg_get_wal_replay_pause_state',
  'pg_current_wal_lsn',
  'pg_current_wal_insert_lsn',
  'pg_current_wal_flush_lsn',
  'pg_last_wal_receive_lsn',
  'pg_last_wal_replay_lsn',
  'pg_last_xact_replay_timestamp',
  'pg_last_committed_xact',
  'pg_xact_commit_timestamp',
  'pg_xact_status',
  'txid_status',
  'pg_control_checkpoint',
  'pg_control_init',
  'pg_control_recovery',
  'pg_control_system',
  'pg_lock_status',
  'pg_prepared_xact',
  'pg_partition_tree',
  'pg_partition_ancestors',
  'pg_relation_size',
  'pg_table_size',
  'pg_indexes_size',
  'pg_total_relation_size',
  'pg_database_size',
  'pg_tablespace_size',
  'pg_sequence_last_value',
  'pg_get_sequence_data',
  'pg_collation_actual_version',
  'pg_database_collation_actual_version',
  'pg_jit_available',
  'pg_notification_queue_usage',
  'pg_show_all_file_settings',
  'pg_hba_file_rules',
  'pg_ident_file_mappings',
  'pg_show_replication_origin_status',
  'pg_stat_get_recovery_prefetch',
  'pg_stat_get_io',
  'pg_stat_get_wal',
  'pg_stat_get_backend_io',
  'pg_stat_get_backend_wal',
  'pg_get_backend_memory_contexts',
  'pg_get_shmem_allocations',
  'pg_get_wait_events',
  'pg_get_aios',
  'pg_current_logfile',
  'array_sample',
  'array_shuffle',
]);

/** Names that leave traces though they are not labelled volatile: they run statements given to them. */
export const runsStatements: RegExp = /_to_xml/;

/** They change something that no cached answer can show: sequences, locks, notifications, large objects, server state. */
export function changesOnlySession(name: string): boolean {
  return sessionOnly.has(name) || /^(?:pg_(?:try_)?advisory_|lo_|pg_stat_reset|pg_stat_clear)/.test(name);
}

const sessionOnly: ReadonlySet<string> = new Set([
  'nextval',
  'setval',
  'setseed',
  'pg_notify',
  'pg_cancel_backend',
  'pg_terminate_backend',
  'pg_export_snapshot',
  'pg_logical_emit_message',
  'pg_create_restore_point',
  'pg_switch_wal',
  'pg_reload_conf',
  'pg_rotate_logfile',
  'pg_log_backend_memory_contexts',
  'loread',
  'lowrite',
]);
