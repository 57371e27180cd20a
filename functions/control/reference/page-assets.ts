/** Style and script of the page. Both stand in the page itself, which names their hashes and loads nothing. */

export const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#e3e3e8, #33343a); --soft: light-dark(#f6f6f8, #1d1e22);
  --mute: light-dark(#5f616b, #a0a3ad); --link: light-dark(#3b4cca, #9aa8ff) }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 1fr); font: 15px/1.55 system-ui, sans-serif;
  background: light-dark(#fff, #16171a); color: light-dark(#1c1d21, #e6e7ea) }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.2rem; border-right: 1px solid var(--line); background: var(--soft) }
nav h2 { margin: 1.1rem 0 .2rem; font-size: .75rem; text-transform: uppercase; letter-spacing: .06em; color: var(--mute) }
nav a { display: block; padding: .1rem 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
main { padding: 1.5rem 2.5rem 6rem; max-width: 60rem }
a { color: var(--link); text-decoration: none } a:hover { text-decoration: underline }
input { width: 100%; padding: .45rem .6rem; font: inherit; border: 1px solid var(--line); border-radius: 6px; background: Canvas; color: CanvasText }
article { padding: 1.2rem 0; border-top: 1px solid var(--line) }
article:target > h3 { text-decoration: underline .12em var(--link) }
h1 { margin: 0 0 .7rem; font-size: 1.3rem } h2 { margin-top: 2.5rem } h3 { margin: 0; font-size: 1.1rem } h3 a { color: inherit }
h4 { margin: 1rem 0 .3rem; font-size: .8rem; color: var(--mute) }
code, pre { font: .87em/1.5 ui-monospace, monospace }
.route { margin: 0; color: var(--mute); overflow-wrap: anywhere } .route b { color: inherit }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .15rem 1rem; margin: .7rem 0 } dt { color: var(--mute) } dd { margin: 0 }
table { width: 100%; border-collapse: collapse } td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
th { font-weight: normal; color: var(--mute) } td:first-child { width: 28% } td:nth-child(2) { width: 27% }
.curl { position: relative } pre { margin: .3rem 0; padding: .7rem 4rem .7rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere; border-radius: 6px; background: var(--soft) }
button { position: absolute; top: .4rem; right: .4rem; font: inherit; font-size: .8rem; color: var(--mute); background: none; border: 1px solid var(--line); border-radius: 5px; cursor: pointer }
summary { margin: .8rem 0 .3rem; cursor: pointer; color: var(--mute) }
@media (max-width: 48rem) { body { display: block } nav { position: static; height: auto; max-height: 40vh; border: 0 } main { padding: 1rem } }
`

/** Searching, copying, and this server's address in the examples. Without it the page can be read all the same. */
export const SCRIPT = `
const search = document.querySelector('input')
const entries = [...document.querySelectorAll('article')].map((article) => ({
  article, link: document.querySelector('nav a[href="#' + CSS.escape(article.id) + '"]'), text: article.textContent.toLowerCase() }))
search.addEventListener('input', () => {
  const words = search.value.toLowerCase().split(' ').filter(Boolean)
  for (const { article, link, text } of entries) {
    const hidden = !words.every((word) => text.includes(word))
    article.hidden = hidden
    if (link) link.hidden = hidden
  }
  for (const part of document.querySelectorAll('section')) part.hidden = !part.querySelector('article:not([hidden])')
  for (const part of document.querySelectorAll('nav div')) part.hidden = !part.querySelector('a:not([hidden])')
})
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target === search) return
  event.preventDefault()
  search.focus()
})
for (const code of document.querySelectorAll('.curl code')) code.textContent = code.textContent.replace('$URL', location.origin)
for (const button of document.querySelectorAll('button')) button.addEventListener('click', async () => {
  await navigator.clipboard.writeText(button.previousElementSibling.textContent)
  button.textContent = 'copied'
  setTimeout(() => (button.textContent = 'copy'), 1500)
})
`
