import { counted } from '../../../domain/wording.js';
import { HELP_TEXTS } from './help.js';
import { SCREEN_TEXTS } from './screens.js';
import { printable } from '../render/printable.js';

export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Every text that people read, by id, in every language. The type refuses a text that lacks one. */
export const TEXTS = { ...HELP_TEXTS, ...SCREEN_TEXTS } as const satisfies Readonly<
  Record<string, Readonly<Record<Language, string>>>
>;
export type TextId = keyof typeof TEXTS;

/** Gives a text with its `{places}` filled; `{n:target}` counts: `1 target`, `2 targets`. Values may come from servers: control characters are taken out. */
export type Say = (id: TextId, values?: Readonly<Record<string, string | number>>) => string;

export function textsIn(language: Language): Say {
  return (id, values = {}) =>
    TEXTS[id][language].replace(/\{(\w+)(?::(\w+))?\}/g, (place, name: string, word: string | undefined) => {
      const value = values[name];
      if (value === undefined) return place;
      return word === undefined ? printable(String(value)) : counted(Number(value), word);
    });
}

/** `--lang` wins, then what the shell says; everything but Chinese reads English. */
export function languageOf(args: readonly string[], env: NodeJS.ProcessEnv): Language {
  const joined = args.find((arg) => arg.startsWith('--lang='))?.slice('--lang='.length);
  const at = args.indexOf('--lang');
  const given = joined ?? (at === -1 ? undefined : args[at + 1]);
  const wanted = given ?? env['LC_ALL'] ?? env['LC_MESSAGES'] ?? env['LANG'] ?? '';
  return wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
