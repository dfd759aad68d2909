/**
 * The command line. Exit codes: 0 as asked, 1 the origin or an address could not be had (or `doctor` found a fault), 2 the
 * configuration is wrong. What goes wrong is said in one line, without stack and without secrets.
 */
import { Command, CommanderError, Option } from 'commander';
import { PgfreshError, toError } from '../shared/errors.ts';
import { bench } from './commands/bench.ts';
import { cleanup } from './commands/cleanup.ts';
import { doctor } from './commands/doctor.ts';
import { explain } from './commands/explain.ts';
import { serve } from './commands/serve.ts';
import { loadConfig } from './config.ts';
import { environmentName, flagName, type Setting, type SettingKey, settingKeys, settings } from './settings.ts';
import { version } from './version.ts';

type Options = Readonly<Record<string, unknown>>;

function addSettings(command: Command, keys: readonly SettingKey[]): Command {
  for (const key of keys) command.addOption(optionOf(key));
  return command.option('--config <file>', 'TOML file with settings (PGFRESH_CONFIG)');
}

function optionOf(key: SettingKey): Option {
  const { placeholder, help, fallback, list }: Setting<unknown> = settings[key];
  const value = placeholder === undefined ? '' : ` <${placeholder}>`;
  const notes = [fallback === null ? '' : `default ${fallback}`, environmentName(key)].filter(Boolean).join(', ');
  const option = new Option(`--${flagName(key)}${value}`, `${help} (${notes})`);
  if (list === true)
    option.argParser((text: string, before: string | undefined) => (before ? `${before},${text}` : text));
  if (key === 'faults') option.hideHelp();
  return option;
}

/** Flags as given, by setting. */
function flagsOf(options: Options): Partial<Record<SettingKey, string>> {
  const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    settingKeys.flatMap((key) => {
      const value = options[camel(flagName(key))];
      return value === undefined ? [] : [[key, String(value)]];
    }),
  );
}

function configOf(command: Command): ReturnType<typeof loadConfig> {
  const options: Options = command.optsWithGlobals();
  const file = options['config'] ?? process.env['PGFRESH_CONFIG'];
  return loadConfig({
    flags: flagsOf(options),
    env: process.env,
    file: typeof file === 'string' && file !== '' ? file : undefined,
    terminal: process.stderr.isTTY === true,
  });
}

/** What the short-lived commands need to know. */
const originKeys: readonly SettingKey[] = ['upstream', 'cdc.url', 'limits.origin_connect_timeout', 'log.level'];

function program(): Command {
  const root = new Command('pgfresh')
    .description('A caching proxy for PostgreSQL: repeated reads from memory, kept fresh by logical replication')
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .showHelpAfterError('(pgfresh --help says what there is)')
    .exitOverride();
  addSettings(
    root.command('serve', { isDefault: true }).description('run the proxy (the default)'),
    settingKeys,
  ).action((_options: Options, command: Command) => serve(configOf(command)));
  addSettings(
    root
      .command('doctor')
      .description('check what the origin needs and what is left on it, and the Redis of several nodes'),
    // The admin page of a pgfresh that runs here has counted what a replica identity costs.
    [...originKeys, 'admin', 'tier2.redis', 'tier2.cluster'],
  )
    .option('--install', 'make the event trigger by which DDL tells of itself (superuser)')
    .option('--uninstall', 'remove it')
    .action((options: Options, command: Command) =>
      doctor(configOf(command), {
        ...(options['install'] === true ? { ddlTrigger: 'install' } : {}),
        ...(options['uninstall'] === true ? { ddlTrigger: 'uninstall' } : {}),
      }),
    );
  addSettings(root.command('explain <sql>').description('say whether a statement is cached, and why not'), originKeys)
    .option('--json', 'print JSON')
    .action((sql: string, options: Options, command: Command) =>
      explain(configOf(command), sql, options['json'] === true),
    );
  addSettings(
    root.command('cleanup').description('remove publications and slots that pgfresh left'),
    originKeys,
  ).action((_options: Options, command: Command) => cleanup(configOf(command)));
  root
    .command('bench [args...]')
    .description('run the benchmarks (from a checkout)')
    .allowUnknownOption()
    .helpOption(false)
    .action((args: readonly string[]) => bench(args));
  return root;
}

async function main(): Promise<void> {
  try {
    await program().parseAsync(process.argv);
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      process.exitCode = thrown.exitCode === 0 ? 0 : 2; // commander has printed it
      return;
    }
    const error = toError(thrown);
    const known = error instanceof PgfreshError;
    process.stderr.write(`pgfresh: ${known ? error.message : (error.stack ?? error.message)}\n`);
    process.exit(known ? error.exitCode : 70);
  }
}

await main();
