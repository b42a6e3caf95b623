// Owns how a function of ours that reads a value becomes a step of a zod schema.
import * as z from 'zod/mini';
import { messageOf } from './errors.js';

/** For `z.transform`, and for `decode` of a codec: what `parse` throws is the message of the issue. */
export function asIssue<In, Out>(
  parse: (value: In) => Out,
): (value: In, context: { issues: z.core.$ZodRawIssue[] }) => Out {
  return (value, context) => {
    try {
      return parse(value);
    } catch (error) {
      context.issues.push({ code: 'custom', input: value, message: messageOf(error) });
      return z.NEVER;
    }
  };
}

/** What `input` takes, as `parse` reads it. */
export function parsed<In extends z.core.$ZodType, Out>(
  input: In,
  parse: (value: z.infer<In>) => Out,
): z.ZodMiniType<Out> {
  return z.pipe(input, z.transform(asIssue(parse)));
}
