// Owns how untrusted text is shown: bounded, one line, no control characters.

const SHOWN_CHARACTERS = 60;

/**
 * Text from a user or a qube, made safe for a message: in double quotes, everything outside printable ASCII
 * written as \xNN (\u{N} above one byte), cut after 60 characters with the full length named.
 */
export function quote(text: string): string {
  const characters = Array.from(text);
  const shown = characters.slice(0, SHOWN_CHARACTERS).map(escapeCharacter).join('');
  const rest = characters.length > SHOWN_CHARACTERS ? `… (${characters.length} characters)` : '';
  return `"${shown}${rest}"`;
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  if (/^[ -~]$/.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}
