/** What goes into a model, and what comes out. */
import { z } from 'zod'
import { jsonObject } from '../../../../shared/contract/json-object.ts'
import {
  ChatMessage,
  ChatRequest,
  FinishReason,
  TokenUsage,
  ToolCall,
  ToolSpec,
} from '../../../../shared/inference/messages.ts'

/** Bytes of JSON, of one schema. */
const MAX_SCHEMA = 65_536
/** Of a conversation, with what it goes on from. */
export const MAX_MESSAGES = 2000
/** Where no limit is given: what is reserved of the plan until the model has answered. */
const DEFAULT_ANSWER_TOKENS = 1024

export const ModelName = z.string().min(1).max(100)

const Schema = jsonObject(MAX_SCHEMA)
const { temperature, topP, seed, stop, toolChoice, maxTokens } = ChatRequest.shape

export const CompletionInput = z.strictObject({
  messages: z.array(ChatMessage).min(1).max(MAX_MESSAGES),
  /** Comes before the messages, and does not belong to the conversation: it is not carried over to the next answer. */
  instructions: z.string().min(1).optional(),
  /** An answer of yours that this conversation goes on from: its job. */
  previous: z.uuid().optional(),
  tools: z
    .array(ToolSpec.extend({ parameters: Schema }))
    .min(1)
    .max(128)
    .optional(),
  toolChoice,
  /** JSON Schema that the text of the answer must meet. */
  responseSchema: Schema.optional(),
  stop,
  topP,
  temperature: temperature.default(1),
  seed,
  maxTokens: maxTokens.default(DEFAULT_ANSWER_TOKENS),
  model: ModelName.optional(),
  /** Whether the answer can be gone on from, and read as a response. Its job is kept in any case. */
  store: z.boolean().default(true),
})
export type CompletionInput = z.infer<typeof CompletionInput>

export const CompletionOutput = z.strictObject({
  text: z.string(),
  /** What the model wants to be called, in its order. */
  toolCalls: z.array(ToolCall),
  finishReason: FinishReason,
  tokens: TokenUsage,
  model: z.string(),
})
export type CompletionOutput = z.infer<typeof CompletionOutput>
