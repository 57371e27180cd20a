/** The page at `/console`: an empty document that names its files, all of them ours, under a version made of their contents. */
import { createHash } from 'node:crypto'
import { Markup, markup } from '../control/reference/markup.ts'
import type { PageFiles } from './files.ts'

/** Ours alone, and no script or style in the document itself. Charts and pictures of the style sheet are `data:`. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

/** Loaded when there is a curve to draw. */
const LATE = new Set(['library/uplot.js', 'parts/plot.ts'])

/** A version of all files together: one that changed makes new addresses for all, since modules import each other by name. */
export function versionOf(files: PageFiles): string {
  const hash = createHash('sha256')
  for (const [path, text] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${text}\0`)
  }
  return hash.digest('hex').slice(0, 16)
}

export function renderDocument(files: PageFiles, version: string): string {
  const at = (path: string) => `/console/${version}/${path}`
  const styles = Object.keys(files).filter((path) => path.startsWith('styles/'))
  const modules = Object.keys(files).filter((path) => !path.startsWith('styles/') && !LATE.has(path))
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>kgents console</title>
<link rel="icon" href="data:,">
${styles.map((path) => markup`<link rel="stylesheet" href="${at(path)}">\n`)}${modules.map((path) => markup`<link rel="modulepreload" href="${at(path)}">\n`)}<script type="module" src="${at('core/main.ts')}"></script>
</head>
<body>
<div id="console"></div>
<noscript>The console needs JavaScript. Everything that it does is an operation of the API: <a href="/docs">reference</a>.</noscript>
</body>
</html>
`.text
}
