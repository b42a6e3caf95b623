// What is said of each thing that can be wrong with a tree of the user's own: file, line, found against expected.
import type { Dom0Values } from '@qubes-qos/core/dom0-values';
import { checkFiles } from '@qubes-qos/tc-agent/settings';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { tomlOf as tree } from './own-trees.js';

const check = (text: string, dom0: Dom0Values = {}): unknown =>
  checkFiles([{ source: '/rw/config/qubes-qos/tree.toml', content: parse(text), text }], dom0);

describe('what is wrong is said with file, line, key, what was found and what is expected', () => {
  const chain = Array.from(
    { length: 8 },
    (_, depth) =>
      `[tree.mine.class.c${depth}]\nrate = "1kbit"\n${depth === 0 ? '' : `parent = "c${depth - 1}"`}`,
  ).join('\n');

  test.each<[string, string, RegExp]>([
    [
      'rate 0',
      tree({ web: 'rate = "0mbit"' }),
      /tree\.toml:11: .*web\.rate: rate "0mbit": expected more than 0/,
    ],
    ['a number', tree({ web: 'rate = 5' }), /tree\.toml:11: .*web\.rate: found 5, expected a rate such as/],
    ['negative', tree({ web: 'rate = "-5mbit"' }), /:11: .*rate "-5mbit": expected a number and bit/],
    ['a space', tree({ web: 'rate = "5 mb"' }), /:11: .*rate "5 mb": expected a number and bit, kbit/],
    ['bytes', tree({ web: 'rate = "5kbps"' }), /:11: .*\(in tc, "kbps" and "mbps" are bytes\)/],
    [
      'ceil below rate',
      tree({ web: 'rate = "2mbit"\nceil = "1mbit"' }),
      /:12: .*web\.ceil: ceil of 1mbit: expected at least the rate, which is 2mbit/,
    ],
    [
      'share over 100 %',
      tree({ web: 'rate = "101%"' }),
      /:11: .*found 101 %, expected more than 0 % and at most 100 %/,
    ],
    [
      'share over 100 % in a table',
      tree({ web: 'rate = { percent = 101 }' }),
      /:11: .*web\.rate\.percent: found 101, expected at most 100/,
    ],
    ['share of 0', tree({ web: 'rate = { percent = 0 }' }), /:11: .*percent: found 0, expected/],
    [
      'min over max',
      tree({ web: 'rate = { percent = 10, min = "3mbit", max = "1mbit" }' }),
      /:11: .*min of 3mbit: expected at most max, which is 1mbit/,
    ],
    [
      'unknown interface',
      tree({ web: 'rate = { percent = 10, of = "wan" }' }),
      /:11: .*interface "wan" has no rate/,
    ],
    [
      'no rate to take a part of',
      tree({ web: 'rate = "10%"' }).replace('up = "10mbit"', ''),
      /there is no rate to take a part of/,
    ],
    [
      'unknown value',
      tree({ web: 'rate = "FAST"', values: 'SLOW = "1mbit"' }),
      /:11: .*unknown value "FAST": expected a rate such as "512kbit", or SLOW/,
    ],
    [
      'values in a circle',
      tree({ web: 'rate = "A"', values: 'A = "B"\nB = "A"' }),
      /:6: values\.A: refers to itself: A -> B -> A/,
    ],
    [
      'formulas in a circle',
      tree({ web: 'rate = "1mbit"\nburst = "A"', values: 'A = "B+1"\nB = "A+1"' }),
      /:6: values\.A: refers to itself/,
    ],
    [
      'unknown name in a formula',
      tree({ web: 'rate = "1mbit"\nburst = "2*speed"' }),
      /:12: .*web\.burst: formula "2\*speed": unknown value "speed": expected rate, ceil, mtu/,
    ],
    ['division by zero', tree({ web: 'rate = "1mbit"\nburst = "rate/(8-8)"' }), /:12: .*divides by zero/],
    [
      'negative burst',
      tree({ web: 'rate = "1mbit"\nburst = "0-5"' }),
      /:12: .*comes to -5 bytes: expected 1 to/,
    ],
    [
      'unknown parent',
      tree({ web: 'rate = "1mbit"\nparent = "top"' }),
      /:12: .*web\.parent: unknown class "top": expected web/,
    ],
    ['its own parent', tree({ web: 'rate = "1mbit"\nparent = "web"' }), /:12: .*is in itself: web in web/],
    [
      'parents in a circle',
      tree({
        web: 'rate = "1mbit"\nparent = "a"',
        more: '[tree.mine.class.a]\nrate = "1mbit"\nparent = "web"',
      }),
      /is in itself: web in a in web/,
    ],
    [
      'too deep',
      tree({ more: chain }),
      /:\d+: tree\.mine\.class\.c7: is 9 levels deep, the top counted: the kernel allows 8/,
    ],
    [
      'two groups',
      tree({ more: '[group]\none = ["ens6", "ens7"]\ntwo = ["ens7"]' }),
      /group\.two: "ens7" is in group "one" already/,
    ],
    [
      'two groups by an alias',
      tree({ more: '[alias]\nwan = "ens6"\n[group]\none = ["ens6"]\ntwo = ["wan"]' }),
      /group\.two: "ens6" is in group "one" already/,
    ],
    [
      'unknown key of a class',
      tree({ web: 'rate = "1mbit"\nspeed = 1' }),
      /:12: unknown key "speed" in \[tree\.mine\.class\.web\]/,
    ],
    [
      'unknown key of a leaf',
      tree({ web: 'rate = "1mbit"\nleaf = { kind = "sfq", pertrub = 10 }' }),
      /:12: .*web\.leaf: unknown key "pertrub"/,
    ],
    [
      'unknown leaf',
      tree({ web: 'rate = "1mbit"\nleaf = "red"' }),
      /:12: .*found "red", expected cake, fq_codel, pfifo, bfifo, sfq or none/,
    ],
    [
      'a time without unit',
      tree({ web: 'rate = "1mbit"\nleaf = { kind = "fq_codel", target = "5" }' }),
      /:12: .*target: time "5": expected a number and us, ms or s/,
    ],
    [
      'sfq RED that tc refuses',
      tree({ web: 'rate = "1mbit"\nleaf = { kind = "sfq", redflowlimit = "60kB", burst = 1 }' }),
      /:12: .*burst of 1 packets: expected at least 6/,
    ],
    [
      'RED without its limit',
      tree({ web: 'rate = "1mbit"\nleaf = { kind = "sfq", ecn = true }' }),
      /:12: .*ecn needs redflowlimit/,
    ],
    [
      'a divisor that is no power of two',
      tree({ web: 'rate = "1mbit"\nleaf = { kind = "sfq", divisor = 1000 }' }),
      /:12: .*divisor: expected a power of two/,
    ],
    ['no default', tree({}).replace('default = "web"', ''), /:7: tree\.mine: has no default/],
    [
      'unknown default',
      tree({}).replace('"web"', '"others"'),
      /:8: tree\.mine\.default: unknown class "others": expected web or unshaped/,
    ],
    ['no rate of a class', tree({ web: 'prio = 1' }), /:10: tree\.mine\.class\.web: has no rate/],
    [
      'prio that HTB has not',
      tree({ web: 'rate = "1mbit"\nprio = 8' }),
      /:12: .*prio: found 8, expected at most 7/,
    ],
    [
      'match of nothing',
      tree({ web: 'rate = "1mbit"\nmatch = ["voice"]' }),
      /:12: .*found "voice", expected ef, cs5, cs0, cs2 or cs1, "dscp 0"/,
    ],
    [
      'a mark outside its mask',
      tree({ web: 'rate = "1mbit"\nmatch = ["mark 0x100/0xff"]' }),
      /:12: .*never matches/,
    ],
    [
      'two classes for one match',
      tree({
        web: 'rate = "1mbit"\nmatch = ["ef"]',
        more: '[tree.mine.class.b]\nrate = "1mbit"\nmatch = ["dscp 46"]',
      }),
      /ef belongs to class "web" already/,
    ],
    [
      'match of a class with classes',
      tree({
        web: 'rate = "1mbit"\nmatch = ["ef"]',
        top: '',
        more: '[tree.mine.class.b]\nrate = "1mbit"\nparent = "web"',
      }).replace('default = "web"', 'default = "b"'),
      /:12: .*holds no packets/,
    ],
    [
      'leaf of a class with classes',
      tree({
        web: 'rate = "1mbit"\nleaf = "sfq"',
        more: '[tree.mine.class.b]\nrate = "1mbit"\nparent = "web"',
      }),
      /:12: .*has no leaf/,
    ],
    [
      'a class that no file describes',
      tree({ web: 'elsewhere = true' }),
      /:11: .*no other file says what class "web" is/,
    ],
    ['unknown tree', tree({ line: 'tree = "yours"' }), /unknown tree "yours": expected mine/],
    [
      'no tree',
      '[line]\nscheduler = "tree"\nup = "1mbit"',
      /tree\.toml:2: line\.scheduler: "tree" needs a \[tree\.NAME\]: there is none/,
    ],
    [
      'unknown scheduler',
      '[line]\nscheduler = "hfsc"',
      /tree\.toml:2: line\.scheduler: unknown scheduler "hfsc": expected htb\+ets\+cake/,
    ],
    [
      'unknown overhead',
      '[line]\noverhead = "dsl"',
      /tree\.toml:2: line\.overhead: overhead "dsl": expected 0 to 256 bytes, or ethernet/,
    ],
  ])('%s', (_, text, message) => {
    expect(() => check(text)).toThrow(message);
    expect(() => check(text)).toThrow('the last good settings stay in force');
  });

  test('a rate that dom0 gives is one to take a part of', () => {
    const text = tree({ web: 'rate = "10%"' }).replace('up = "10mbit"', '');
    expect(() => check(text, { 'qos-uplink': 'up=5mbit' })).not.toThrow();
  });
});
