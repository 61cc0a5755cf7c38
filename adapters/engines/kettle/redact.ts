/**
 * What must never leave the worker although servers print it: Kitchen's and Pan's command lines, JDBC URLs, stack traces with
 * their settings. Kettle's own obfuscation (`Encrypted 2be98…`) is reversible, so it counts as a password in the clear.
 */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\bEncrypted [0-9a-f]{8,}/gi, '***'],
  [
    /\b(KETTLE_PASSWORD|[\w.-]*(?:password|passwd|pwd|secret|token))(["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;&"'<>)]+)/gi,
    '$1$2***',
  ],
  [/([-/]pass(?:word)?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|\S+)/gi, '$1***'],
  [/(\bpass\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;&"'<>)]+)/gi, '$1***'],
  [/(\b[a-z][\w+.-]*:\/\/)[^\s/@:]*:[^\s/@]*@/gi, '$1***@'],
  [/(\bauthorization\s*:\s*\w+\s+)\S+/gi, '$1***'],
];

/** Replaces what looks like a password by `***`. Over-eager on purpose: a lost word costs less than a leaked one. */
export function redact(text: string): string {
  let clean = text;
  for (const [pattern, mask] of SECRETS) clean = clean.replace(pattern, mask);
  return clean;
}

/** One line of at most `length` characters for people: no stack trace, no password, no control characters. */
export function shorten(text: string, length = 200): string {
  // A Java trace begins at its first "at package.Class" line; Carte sends it inside `message`.
  const [head = ''] = text.split(/\r?\n\s*at [\w$.<>/]+\(/, 1);
  const line = redact(head)
    .replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
