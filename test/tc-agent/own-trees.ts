// Trees as users write them, for golden scripts and the lab: the examples of PyQoS and of the article on shaping a home
// network that this scheduler learned from, in our settings, and one with everything in it.
import { mergeConfig, parseFileSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import type { Tree } from '@qubes-qos/core/tc/model';
import { planTc, type DevicePlan } from '@qubes-qos/tc-agent/plan';
import { parse } from 'smol-toml';

/** Settings in one file, or in several. */
export function configOf(...tomls: readonly string[]): TcConfig {
  const files = tomls.map((toml, index) => {
    const source = `/rw/config/qubes-qos/${index}.toml`;
    return { source, settings: parseFileSettings(source, parse(toml)) };
  });
  return mergeConfig(files);
}

/** What belongs on ens6, the line, with these settings. */
export function planOf(...tomls: readonly string[]): DevicePlan {
  const [plan] = planTc({
    links: [{ ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 }],
    routes: [{ dst: 'default', dev: 'ens6', metric: 0, direct: false }],
    config: configOf(...tomls),
    missing: new Set(),
  });
  if (plan?.tree === undefined || !plan.scheduler.startsWith('tree '))
    throw new Error(`no tree: ${plan?.notes.join('; ') ?? 'no plan'}`);
  return plan;
}

/** Settings with a tree of one class, the parts of which a test replaces. */
export function tomlOf(
  parts: { line?: string; values?: string; top?: string; web?: string; more?: string } = {},
): string {
  return [
    `[line]\nscheduler = "tree"\nup = "10mbit"\n${parts.line ?? ''}`,
    `[values]\n${parts.values ?? ''}`,
    `[tree.mine]\ndefault = "web"\n${parts.top ?? ''}`,
    `[tree.mine.class.web]\n${parts.web ?? 'rate = "1mbit"'}`,
    parts.more ?? '',
  ].join('\n');
}

/** PyQoS: relative tuples, formulas for bursts, named values, a rate that is a part of another interface's. */
const PYQOS = `
alias.public = "ens6"
group.lan = ["vif5.0", "vif6.0"]

[values]
HTTP_RATE = { percent = 40, min = "1mbit" }
HALF_SECOND = "0.5*rate/8"

[interface.public]
up = "20mbit"
use = 100
scheduler = "tree"
tree = "upload"

[interface.lan]
scheduler = "tree"
tree = "download"

[tree.upload]
default = "rest"
burst = "0.1*rate/8"

[tree.upload.class.interactive]
rate = { percent = 10, max = "1mbit" }
ceil = "75%"
burst = "HALF_SECOND"
cburst = "1.5*rate/8 + burst"
prio = 0
match = ["ef", "mark 100"]
leaf = { kind = "fq_codel", limit = 1200, flows = 1024, target = "15ms", interval = "100ms", quantum = 300 }

[tree.upload.class.http]
rate = "HTTP_RATE"
ceil = "100%"
burst = "HALF_SECOND"
prio = 1
match = ["cs5", "mark 200"]
leaf = { kind = "sfq", perturb = 10 }

[tree.upload.class.rest]
rate = { percent = 20, min = "200kbit" }
ceil = "90%"
prio = 2
leaf = { kind = "pfifo", limit = 100 }

[tree.upload.class.torrents]
rate = "8kbit"
ceil = { percent = 50, max = "5mbit" }
prio = 3
match = ["cs1", "mark 0x300/0xff00"]
leaf = { kind = "cake", bandwidth = "4mbit", flowmode = "dual-srchost", nat = true, ack-filter = "aggressive" }

[tree.download]
rate = { percent = 40, of = "public" }
default = "all"
class.all = { rate = "100%" }
`;

/** The article, download side: only what came from the Internet (mark 20) is limited; the local network is not. */
const ARTICLE_DOWNLOAD = `
[line]
up = "2000kbit"
use = 80
scheduler = "tree"

[tree.from-internet]
default = "unshaped"
class.internet = { rate = "100%", match = ["mark 20"], leaf = { kind = "sfq", perturb = 10 } }
`;

/** The article, upload side: everything in one class under the rate of the line; r2q so that the quantum is near the MTU. */
const ARTICLE_UPLOAD = `
[line]
up = "320kbit"
use = 100
scheduler = "tree"

[tree.to-internet]
r2q = 20
default = "all"
class.all = { rate = "100%", leaf = { kind = "sfq", perturb = 11 } }
`;

/** The article, the storage server of 2018: Internet and local network by connection mark. */
const ARTICLE_NAS = `
[line]
up = "100mbit"
use = 100
scheduler = "tree"

[tree.nas]
r2q = 100
default = "lan"
class.internet = { rate = "1600kbit", match = ["mark 5"], leaf = { kind = "sfq", perturb = 10 } }
class.lan = { rate = "90mbit", match = ["mark 1"], leaf = { kind = "sfq", perturb = 10 } }
`;

/** As deep as the kernel allows, every kind of leaf, fast enough that the kernel would complain of a computed quantum. */
const DEEP = [
  `
[line]
up = "2gbit"
use = 100
scheduler = "tree"
overhead = "docsis"

[tree.deep]
default = "bulk"
[tree.deep.class]
two = { rate = "90%" }
three = { parent = "two", rate = "90%" }
four = { parent = "three", rate = "90%" }
five = { parent = "four", rate = "90%" }
six = { parent = "five", rate = "90%" }
seven = { parent = "six", rate = "90%" }
voice = { parent = "seven", rate = "10%", ceil = "50%", match = ["ef", "dscp 34"], leaf = "cake", quantum = 3000 }
video = { parent = "seven", rate = "90%", match = ["cs5"], leaf = { kind = "bfifo", limit = "64KiB" } }
plain = { rate = "1mbit", match = ["cs2"], leaf = "none" }
bulk = { rate = "1mbit", ceil = "100%" }
`,
  `
[tree.deep.class.plain]
elsewhere = true

[tree.deep.class.backup]
rate = "1mbit"
match = ["cs1"]
leaf = { kind = "sfq", redflowlimit = "60kB", ecn = true }
`,
];

/** Name of the golden file -> what was planned. */
export const OWN_TREES: Readonly<Record<string, DevicePlan>> = {
  'tree-pyqos': planOf(PYQOS),
  'tree-article-download': planOf(ARTICLE_DOWNLOAD),
  'tree-article-upload': planOf(ARTICLE_UPLOAD),
  'tree-article-nas': planOf(ARTICLE_NAS),
  'tree-deep': planOf(...DEEP),
};

/** The tree of a plan. */
export function treeOf({ tree }: DevicePlan): Tree {
  if (!tree) throw new Error('no tree was planned');
  return tree;
}

/** The settings of the PyQoS example, for other interfaces than the line. */
export const PYQOS_CONFIG = configOf(PYQOS);
