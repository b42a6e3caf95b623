// Settings: precedence, and what is said of a wrong file.
import { mergeConfig, parseFileSettings, settingsOf } from '@qubes-qos/core/tc-config';
import { describe, expect, test } from 'vitest';

const file = (toml: unknown) => parseFileSettings('/rw/config/qubes-qos/tc.toml', toml);

describe('parseFileSettings', () => {
  test.each([
    [{ line: { up: '20mb' } }, /tc\.toml: line\.up: rate "20mb": expected a number and bit/],
    [{ line: { up: '5kbps' } }, /are bytes/],
    [{ line: { up: 0 } }, /line\.up: found 0, expected a string/],
    [{ line: { speed: '1mbit' } }, /unknown key "speed" in \[line\]/],
    [{ lines: {} }, /unknown key "lines" in the file/],
    [{ line: { use: 101 } }, /line\.use: found 101, expected at most 100/],
    [{ interface: { 'a name with spaces': { up: '1mbit' } } }, /expected the name of an interface/],
    [{ takeover: 'yes' }, /takeover: found "yes", expected a boolean/],
    [[], /tc\.toml/],
  ])('%j is refused with file, key and expectation', (toml, message) => {
    expect(() => file(toml)).toThrow(message);
    expect(() => file(toml)).toThrow('the last good settings stay in force');
  });

  test('an empty file is fine', () => expect(file({})).toEqual({}));
});

describe('mergeConfig', () => {
  test('later files win key by key, dom0 wins over all, every value knows its source', () => {
    const config = mergeConfig(
      [
        { source: 'a', settings: file({ line: { up: '1mbit', down: '2mbit', use: 90 } }) },
        { source: 'b', settings: file({ line: { up: '3mbit' }, takeover: true }) },
      ],
      'down=5mbit',
    );
    expect(config.line).toEqual({
      up: { value: 3_000_000, source: 'b' },
      down: { value: 5_000_000, source: 'vm-config.qos-uplink' },
      use: { value: 90, source: 'a' },
    });
    expect(config.takeover).toEqual({ value: true, source: 'b' });
  });

  test('interfaces override the line; others do not see it', () => {
    const config = mergeConfig(
      [{ source: 'a', settings: file({ interface: { wg0: { up: '1mbit' } } }) }],
      'up=9mbit',
    );
    expect(settingsOf(config, 'wg0').up).toBe(1_000_000);
    expect(settingsOf(config, 'ens6').up).toBe(9_000_000);
    expect(settingsOf(config, 'constructor').up).toBe(9_000_000);
  });

  test('files are merged key by key for an interface too', () => {
    const config = mergeConfig(
      [
        { source: 'a', settings: file({ interface: { wg0: { up: '1mbit', use: 90 } } }) },
        { source: 'b', settings: file({ interface: { wg0: { up: '2mbit' } } }) },
      ],
      undefined,
    );
    expect(config.interfaces.get('wg0')).toEqual({
      up: { value: 2_000_000, source: 'b' },
      use: { value: 90, source: 'a' },
    });
    expect(settingsOf(config, 'wg0')).toEqual({ up: 2_000_000, use: 90 });
  });

  test('unknown keys of a newer dom0 are warnings', () => {
    const { warnings, line } = mergeConfig([], 'up=1mbit scheduler=cake overhead=docsis colour=red');
    expect(warnings).toHaveLength(1);
    expect(line.up?.value).toBe(1_000_000);
    expect(line.scheduler?.value).toBe('cake');
    expect(line.overhead?.value).toBe('docsis');
  });

  test('garbage from dom0 is an error with what was found', () => {
    expect(() => mergeConfig([], 'up=fast')).toThrow(/"fast"/);
    expect(() => mergeConfig([], 'flush ruleset')).toThrow(/"flush"/);
  });
});
