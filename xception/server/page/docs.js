"use strict";

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

fetch(new URL("openapi.json", document.baseURI)).then((answer) => answer.json()).then((description) => {
  document.getElementById("title").textContent = description.info.title;
  const paths = document.getElementById("paths");
  for (const [path, operations] of Object.entries(description.paths)) {
    const methods = Object.keys(operations).map((method) => method.toUpperCase()).join(", ");
    const operation = Object.values(operations)[0];
    element("h2", `${methods} ${path}`, paths).style.fontSize = "1.1rem";
    element("p", operation.summary, paths);
    if (!operation.parameters.length) continue;
    const list = element("ul", "", paths);
    for (const { name, description: text } of operation.parameters) element("li", `${name}: ${text}`, list);
  }
});
