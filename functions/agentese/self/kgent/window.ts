/**
 * What of a conversation a model is shown: as much as fits, counted in tokens. Pure, so the same conversation is shown the same way
 * wherever it is built. What a person wrote is in messages of role `user` alone, and what a model wrote in those of role `assistant`.
 */
import type { ChatMessage } from '../../../../shared/inference/messages.ts'

/** A message of the conversation; `tokens` is null until the model's own tokenizer has counted it. */
export interface Said {
  id: string
  position: number
  role: 'user' | 'assistant'
  content: string
  tokens: number | null
}

/** What a model made of older messages, for itself. */
export interface Summary {
  content: string
  tokens: number
}

export interface Parts {
  /** Instructions of ours. */
  system: string
  /** What the person's words call to mind, best first. */
  memories: readonly string[]
  summary: Summary | undefined
  /** Oldest first; what the summary covers is no part of it. */
  history: readonly Said[]
  /** What is said now. */
  message: Pick<Said, 'id' | 'content'>
}

export interface Window {
  messages: ChatMessage[]
  /** For each of them, the id of the message of the conversation; null for what is none. */
  sent: (string | null)[]
  /** No fewer than the model will count. */
  tokens: number
  /** Messages that did not fit, oldest first. */
  leftOut: Said[]
}

/** Of every model with a longer context, only so many tokens are used. */
export const MAX_WINDOW_TOKENS = 16_000
/** What a template adds to each message. */
const MESSAGE_TOKENS = 8
/** Parts of the window that memories and a summary may take. */
const MEMORIES_SHARE = 0.2
const SUMMARY_SHARE = 0.25
/** The history is summarised when it takes more than this part of the window, down to the other. */
const FULL_SHARE = 0.7
const KEPT_SHARE = 0.35

/** Tokens for the prompt, of a model whose context holds `contextTokens` with the reply. */
export function windowTokens(contextTokens: number, replyTokens: number): number {
  return Math.min(MAX_WINDOW_TOKENS, contextTokens - replyTokens)
}

/**
 * No fewer tokens than a text has in the vocabularies of common models: one for three characters of ASCII, and one for each byte of
 * any other, since a tokenizer that works on bytes may need as many.
 */
export function countCautiously(text: string): number {
  const bytes = Buffer.byteLength(text)
  const others = text.replaceAll(/[\u0000-\u007F]+/g, '') // oxlint-disable-line no-control-regex -- reason: all of ASCII
  const otherBytes = Buffer.byteLength(others)
  return Math.ceil((bytes - otherBytes) / 3) + otherBytes
}

/** How many tokens of a message fit besides the instructions. */
export function roomForMessage(system: string, limit: number): number {
  return Math.max(0, limit - costOf(system) - MESSAGE_TOKENS)
}

/** Chooses the messages for a prompt of at most `limit` tokens: instructions and message, then memories, summary and history. */
export function fitWindow(parts: Parts, limit: number): Window {
  const { system, message, history } = parts
  const fixed = costOf(system) + costOf(message.content)
  const remembered = takeMemories(parts.memories, Math.min(limit * MEMORIES_SHARE, limit - fixed))
  const kept = takeSummary(parts.summary, Math.min(limit * SUMMARY_SHARE, limit - fixed - remembered.tokens))
  const room = limit - fixed - remembered.tokens - kept.tokens
  const shown = newestWithin(history, room)
  const before: Entry[] = [
    { role: 'system', content: system, id: null },
    ...remembered.entries,
    ...kept.entries,
  ]
  const entries = [...before, ...shown, { role: 'user' as const, content: message.content, id: message.id }]
  return {
    messages: entries.map(({ role, content }) => ({ role, content })),
    sent: entries.map(({ id }) => id),
    tokens: fixed + remembered.tokens + kept.tokens + sum(shown),
    leftOut: history.slice(0, history.length - shown.length),
  }
}

/**
 * The oldest messages, where the history has become so long that a summary is to stand for them: so many that the rest leaves room
 * for the next turns. None while there is room.
 */
export function toSummarise(history: readonly Said[], limit: number): Said[] {
  if (sum(history) <= limit * FULL_SHARE) return []
  const kept = newestWithin(history, limit * KEPT_SHARE)
  return history.slice(0, history.length - kept.length)
}

/** As many of the oldest messages as fit, and at least one. */
export function oldestWithin(history: readonly Said[], room: number): Said[] {
  let left = room
  const cut = history.findIndex((each, at) => (left -= tokensOf(each)) < 0 && at > 0)
  return history.slice(0, cut === -1 ? history.length : cut)
}

interface Entry {
  role: 'system' | 'user' | 'assistant'
  content: string
  id: string | null
}

function newestWithin(history: readonly Said[], room: number): Said[] {
  let left = room
  const cut = history.findLastIndex((each) => (left -= tokensOf(each)) < 0)
  return history.slice(cut + 1)
}

/** They are the person's own words, so they are a message of the person. */
function takeMemories(memories: readonly string[], room: number): { entries: Entry[]; tokens: number } {
  const textOf = (some: readonly string[]) =>
    `What I have noted before, as background:\n${some.map((each) => `- ${each}`).join('\n')}`
  const fits = (count: number) => costOf(textOf(memories.slice(0, count))) <= room
  let count = memories.length
  while (count > 0 && !fits(count)) count--
  if (count === 0) return { entries: [], tokens: 0 }
  const content = textOf(memories.slice(0, count))
  return { entries: [{ role: 'user', content, id: null }], tokens: costOf(content) }
}

/** It is a model's words, so it is a message of the model. */
function takeSummary(summary: Summary | undefined, room: number): { entries: Entry[]; tokens: number } {
  if (summary === undefined) return { entries: [], tokens: 0 }
  const content = `What we said before, in short: ${summary.content}`
  const tokens = costOf(content)
  return tokens > room
    ? { entries: [], tokens: 0 }
    : { entries: [{ role: 'assistant', content, id: null }], tokens }
}

function sum(messages: readonly Said[]): number {
  return messages.reduce((tokens, each) => tokens + tokensOf(each), 0)
}

function tokensOf({ tokens, content }: Said): number {
  return (tokens ?? countCautiously(content)) + MESSAGE_TOKENS
}

function costOf(content: string): number {
  return countCautiously(content) + MESSAGE_TOKENS
}
