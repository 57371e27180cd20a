/** What a prompt takes from elsewhere: the persona's instructions, memories that fit, and how long the model's context is. */
import type { Call } from '../../../../shared/contract/call.ts'
import { systemPrompt, type Mode } from '../soul/persona.ts'

/** Whose prompt it is: all that is read of a call. */
export type Person = Pick<Call, 'db'> & { identity: Pick<Call['identity'], 'tenant' | 'user' | 'tier'> }

/** The model's instructions about itself. */
export async function instructionsFor(
  _person: Person,
  { mode }: { mode: Mode; topic: string },
): Promise<string> {
  return systemPrompt(mode)
}

/** Up to five memories that the words call to mind, best first. */
export async function memoriesFor(_person: Person, _text: string): Promise<string[]> {
  return []
}

/** Tokens of the default model's context, prompt and reply together. */
export function contextTokensFor(_person: Person): number {
  return 2048
}
