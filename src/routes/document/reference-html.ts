// The reference's own part: its HTML, its style beside Swagger UI's, and the script that starts it.
// Why relative addresses: behind a proxy the server may stand under any path.

/** Where a file of the reference is found, with a version that changes when it does. */
export type AddressOf = (fileName: string) => string;

export function referenceHtml(title: string, addressOf: AddressOf): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" type="image/png" href="${addressOf('favicon-32x32.png')}">
<link rel="stylesheet" href="${addressOf('swagger-ui.css')}">
<link rel="stylesheet" href="${addressOf('octet.css')}">
<script defer src="${addressOf('swagger-ui-bundle.js')}"></script>
<script defer src="${addressOf('octet.js')}"></script>
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This reference needs JavaScript. The same as a document: <a href="openapi.json">openapi.json</a>.</noscript>
</body>
</html>
`;
}

/** Nothing is asked of another server: no validator. Keys that are entered are forgotten with the window. */
export const referenceScript = `const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
});
`;

/** No answer links to another route, so that the column is left out: it does not fit on a phone. */
export const referenceStyle = `body { margin: 0; background: #fafafa; }
html.dark-mode body { background: #1c2022; }
.swagger-ui .info { margin: 30px 0 20px; }
.swagger-ui .response-col_links { display: none; }
.dark-mode .swagger-ui .examples-select__section-label { color: #e4e6e6; }
`;
