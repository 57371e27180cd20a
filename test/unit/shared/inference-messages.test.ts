import { expect, test } from 'vitest'
import { InferenceRequest } from '../../../shared/inference/messages.ts'

const chat = { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 8, temperature: 0 }

test.for([
  ['text', chat, true],
  ['vectors of 64 texts', { texts: Array.from({ length: 64 }, () => 'x'.repeat(20_000)) }, true],
  ['both at once', { ...chat, texts: ['Hi'] }, false],
  ['vectors of no text', { texts: [] }, false],
  ['vectors of an empty text', { texts: ['Hi', ''] }, false],
  ['vectors of too long a text', { texts: ['x'.repeat(20_001)] }, false],
  ['vectors of too many texts', { texts: Array.from({ length: 65 }, () => 'x') }, false],
] as const)('a request for %s is read, or refused', ([, request, isGood]) => {
  expect(InferenceRequest.safeParse(request).success).toBe(isGood)
})
