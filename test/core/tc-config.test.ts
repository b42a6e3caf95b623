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
    [{ line: { ef_share: 0 } }, /line\.ef_share: found 0, expected at least 1/],
    [{ line: { ef_share: 101 } }, /line\.ef_share: found 101, expected at most 100/],
    [{ line: { ef: 'auto' } }, /line\.ef: rate "auto": expected a number and bit/],
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
      { 'qos-uplink': 'down=5mbit' },
    );
    expect(config.line).toEqual({
      up: { value: 3_000_000, source: 'b' },
      down: { value: 5_000_000, source: 'vm-config.qos-uplink' },
      use: { value: 90, source: 'a' },
      dscp_out: { value: 'wash', source: 'built in' },
      ef_share: { value: 50, source: 'built in' },
    });
    expect(config.takeover).toEqual({ value: true, source: 'b' });
  });

  test('interfaces override the line; others do not see it', () => {
    const config = mergeConfig([{ source: 'a', settings: file({ interface: { wg0: { up: '1mbit' } } }) }], {
      'qos-uplink': 'up=9mbit',
    });
    expect(settingsOf(config, 'wg0').up).toBe(1_000_000);
    expect(settingsOf(config, 'ens6').up).toBe(9_000_000);
    expect(settingsOf(config, 'constructor').up).toBe(9_000_000);
  });

  test('files are merged key by key for an interface too', () => {
    const config = mergeConfig([
      { source: 'a', settings: file({ interface: { wg0: { up: '1mbit', use: 90 } } }) },
      { source: 'b', settings: file({ interface: { wg0: { up: '2mbit' } } }) },
    ]);
    expect(config.interfaces.get('wg0')).toEqual({
      up: { value: 2_000_000, source: 'b' },
      use: { value: 90, source: 'a' },
    });
    expect(settingsOf(config, 'wg0')).toEqual({
      up: 2_000_000,
      use: 90,
      ef_share: 50,
      dscp_out: 'wash',
    });
  });

  test('unknown keys of a newer dom0 are warnings', () => {
    const { warnings, line } = mergeConfig([], {
      'qos-uplink': 'up=1mbit scheduler=cake overhead=docsis colour=red',
    });
    expect(warnings).toHaveLength(1);
    expect(line.up?.value).toBe(1_000_000);
    expect(line.scheduler?.value).toBe('cake');
    expect(line.overhead?.value).toBe('docsis');
  });

  test('garbage from dom0 is an error with what was found', () => {
    expect(() => mergeConfig([], { 'qos-uplink': 'up=fast' })).toThrow(/"fast"/);
    expect(() => mergeConfig([], { 'qos-uplink': 'flush ruleset' })).toThrow(/"flush"/);
  });

  test('what dom0 says of clients is read by address; other names are passed over', () => {
    const { clients, warnings } = mergeConfig([], {
      'qos.10.137.0.11': 'class=ef up=5mbit down=20mbit burst=128kb ip6=fd09:24ef:4179::a89:b',
      'qos.10.137.0.12': 'down=1mbit colour=red',
      'qos-rules': 'anything',
    });
    expect(Object.fromEntries(clients)).toEqual({
      '10.137.0.11': {
        ...{ class: 'ef', up: 5_000_000, down: 20_000_000, burst: 131_072 },
        ip6: 'fd09:24ef:4179::a89:b',
      },
      '10.137.0.12': { down: 1_000_000 },
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^vm-config\.qos\.10\.137\.0\.12: unknown key "colour"/),
    ]);
  });

  test.each([
    ['qos.10.137.0.300', 'up=1mbit', /"qos\.10\.137\.0\.300": expected an IPv4 address/],
    ['qos.10.137.0.1', 'up=5kbps', /up="5kbps".*are bytes/],
    ['qos.10.137.0.1', 'up=0mbit', /expected more than 0/],
    ['qos.10.137.0.1', 'class=best', /class="best": expected ef, cs5, cs0, cs2 or cs1/],
    ['qos.10.137.0.1', 'burst=1gb', /burst="1gb".*expected a whole number and b, kb or mb/],
    ['qos.10.137.0.1', 'ip6=10.1.1.1', /expected an IPv6 address/],
    ['qos.10.137.0.1', 'up=1mbit up=2mbit', /given twice/],
    ['qos.10.137.0.1', 'ef; flush ruleset', /"ef;": expected key=value/],
  ])('%s = %s is refused', (name, value, message) => {
    expect(() => mergeConfig([], { [name]: value })).toThrow(message);
  });

  test('networks of the user must be networks', () => {
    expect(
      mergeConfig([{ source: 'a', settings: file({ local: ['10.0.0.0/8', 'fd00::/8'] }) }]).local,
    ).toEqual({
      value: ['10.0.0.0/8', 'fd00::/8'],
      source: 'a',
    });
    expect(() => file({ local: ['10.0.0.0'] })).toThrow(/local\.0: expected a network/);
  });
});
