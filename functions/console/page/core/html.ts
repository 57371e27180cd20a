/** The one way in which this page writes elements: `htm` for Preact. */
import htm from 'htm'
import { h, type ComponentChildren } from 'preact'

export type View = ComponentChildren

export const html = htm.bind(h)
