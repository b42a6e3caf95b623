// Owns what spares requests: answers that several have a use for, and rounds that ask much the same again.
import type { AdminCall } from './admin.js';
import type { AdminRequest } from './codec.js';

/** What no command of ours changes: where a qube is in the network, and its tags. */
const NOT_OURS: readonly string[] = [
  'admin.vm.property.GetAll',
  'admin.vm.property.Get',
  'admin.vm.tag.List',
];

/** Asks for what no command of ours changes once, and for all else as often as it is wanted. */
export function rememberingOthers(call: AdminCall): AdminCall {
  const answers = new Map<string, Promise<string>>();
  return (request) => {
    if (!NOT_OURS.includes(request.method)) return call(request);
    const answer = answerOf(answers, request, call);
    // Whoever comes later may have more luck.
    answer.catch(() => answers.delete(keyOf(request)));
    return answer;
  };
}

/**
 * Rounds of reading. Each begins with all that the one before asked, at once and not one after the other; what
 * the call itself does not remember is newer than that beginning.
 */
export function inRounds(call: AdminCall): () => AdminCall {
  let asked = new Map<string, AdminRequest>();
  return () => {
    const answers = new Map<string, Promise<string>>();
    // What is no longer there is perhaps not asked for: its error is nobody's.
    for (const request of asked.values()) answerOf(answers, request, call).catch(() => undefined);
    const now = new Map<string, AdminRequest>();
    asked = now;
    return (request) => {
      now.set(keyOf(request), request);
      return answerOf(answers, request, call);
    };
  };
}

function answerOf(
  answers: Map<string, Promise<string>>,
  request: AdminRequest,
  call: AdminCall,
): Promise<string> {
  const answer = answers.get(keyOf(request)) ?? call(request);
  answers.set(keyOf(request), answer);
  return answer;
}

function keyOf({ method, argument = '', destination }: AdminRequest): string {
  return `${method}+${argument} ${destination}`;
}
