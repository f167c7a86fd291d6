// The settings as flags of a command.
// Why every flag takes an optional value for commander: it would stop at the first missing one, and all faults are wanted at once.

import { Option } from 'commander';
import type { SettingDescription } from './settings-list.ts';

/** Flag values by setting name; `true` is a flag without a value, a list a repeated flag. `config` is the path of a settings file. */
export type FlagValues = Readonly<Record<string, string | true | readonly string[]>>;

const switchValue = '[true|false]';

/** A flag as --help shows it: only a switch may really go without its value. */
export function termOf(option: Option): string {
  return option.flags.endsWith(switchValue) ? option.flags : option.flags.replace('[', '<').replace(']', '>');
}

/** The flags of these settings, and that of a settings file. */
export function settingOptions(settings: readonly SettingDescription[]): Option[] {
  const config = new Option('--config [path]', 'A JSON file of settings; config/default.json shows them all.');
  const options = settings.flatMap((setting) => (setting.flag === undefined ? [] : [optionOf(setting.flag, setting)]));
  return [config.helpGroup('Settings file:'), ...options];
}

function optionOf(flag: string, setting: SettingDescription): Option {
  const value = setting.unit === '' || setting.unit.includes(' ') ? 'value' : setting.unit;
  const flags = typeof setting.defaultValue === 'boolean' ? `${flag} ${switchValue}` : `${flag} [${value}]`;
  const option = new Option(flags, helpText(setting)).helpGroup(`${setting.group}:`);
  return setting.repeats ? option.argParser(gather) : option;
}

/** `true` is the flag without a value: a fault, which a value behind it does not mend. */
function gather(value: string, before: readonly string[] | true = []): readonly string[] | true {
  return before === true ? true : [...before, value];
}

function helpText(setting: SettingDescription): string {
  const choices = setting.limit.startsWith('one of ') ? `${setting.limit}; ` : '';
  const initial = setting.defaultValue === '' ? '' : `default: ${setting.defaultValue}`;
  const notes = `${choices}${initial}`;
  return notes === '' ? setting.meaning : `${setting.meaning} (${notes})`;
}
