/**
 * Requests as node-llama-cpp renders them, by the template that the model was trained with. Text of callers, of tools and of schemas
 * goes in as text, of which no control token is ever made.
 */
import {
  resolveChatWrapper,
  type ChatHistoryItem,
  type ChatModelFunctionCall,
  type ChatModelFunctions,
  type ChatWrapper,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import type { ChatMessage, ChatRequest, ToolSpec } from '../../shared/inference/messages.ts'
import { toGrammarSchema } from './grammar-schema.ts'
import { parseJson } from './openai-failure.ts'

type Assistant = Extract<ChatMessage, { role: 'assistant' }>

/** What a request is to the library. */
export interface Prompt {
  history: ChatHistoryItem[]
  /** Tools that the model calls by itself, where it likes. */
  functions?: ChatModelFunctions
  tokens: Token[]
}

/**
 * The template in the model file, as it is. The library would rather take its own equivalent, which for SmolLM2
 * begins with the start token twice and lacks the model's default system message.
 */
export function templateOf(model: LlamaModel, trimLeadingWhitespaceInResponses: boolean): ChatWrapper {
  const hasTemplate = model.fileInfo.metadata.tokenizer.chat_template !== undefined
  return resolveChatWrapper(model, {
    type: hasTemplate ? 'jinjaTemplate' : 'auto',
    warningLogs: false,
    customWrapperSettings: { jinjaTemplate: { trimLeadingWhitespaceInResponses } },
  })
}

/** Renders a request without its prefix, and counts it. */
export function promptOf(request: ChatRequest, wrapper: ChatWrapper, model: LlamaModel): Prompt {
  const history = historyOf(request)
  const functions = mustCall(request) ? undefined : functionsOf(request)
  const { contextText } = wrapper.generateContextState({
    chatHistory: [...history, { type: 'model', response: [] }],
    ...(functions === undefined ? {} : { availableFunctions: functions, documentFunctionParams: true }),
  })
  const tokens = contextText.tokenize(model.tokenizer)
  return { history, tokens, ...(functions === undefined ? {} : { functions }) }
}

/** Tokens of each message without those of the template. */
export function countMessages({ messages }: ChatRequest, model: LlamaModel): number[] {
  return messages.map((message) => {
    const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : []
    const texts = [message.content, ...calls.flatMap(({ name, arguments: text }) => [name, text])]
    return texts.reduce((sum, text) => sum + model.tokenize(text).length, 0)
  })
}

/** Whether the answer has to be a tool call. */
export function mustCall({ tools, toolChoice = 'auto' }: ChatRequest): boolean {
  return tools !== undefined && toolChoice !== 'auto' && toolChoice !== 'none'
}

/** The tools that an answer that has to be a call may choose from. */
export function choiceOf({ tools = [], toolChoice }: ChatRequest): readonly ToolSpec[] {
  return typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : tools
}

function functionsOf({ tools, toolChoice }: ChatRequest): ChatModelFunctions | undefined {
  if (tools === undefined || toolChoice === 'none') return undefined
  return Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      { ...(description === undefined ? {} : { description }), params: toGrammarSchema(parameters) },
    ]),
  )
}

function historyOf(request: ChatRequest): ChatHistoryItem[] {
  const results = new Map(
    request.messages.flatMap((message) =>
      message.role === 'tool' ? [[message.toolCallId, message.content] as const] : [],
    ),
  )
  const history = request.messages.flatMap((message): ChatHistoryItem[] => {
    if (message.role === 'tool') return []
    if (message.role === 'assistant') return [{ type: 'model', response: responseOf(message, results) }]
    return [{ type: message.role, text: message.content }]
  })
  return mustCall(request) ? [{ type: 'system', text: instructionOf(request) }, ...history] : history
}

/** The library has the result of a call beside the call. */
function responseOf({ content, toolCalls = [] }: Assistant, results: ReadonlyMap<string, string>) {
  const calls = toolCalls.map(({ id, name, arguments: text }): ChatModelFunctionCall => {
    const result = results.get(id) ?? null
    return { type: 'functionCall', name, params: parseJson(text) ?? text, result }
  })
  return content === '' && calls.length > 0 ? calls : [content, ...calls]
}

function instructionOf(request: ChatRequest): string {
  const tools = choiceOf(request).map((tool) => JSON.stringify(tool))
  return `Call one of these tools:\n${tools.join('\n')}\nAnswer with its name and its arguments alone, as JSON.`
}
