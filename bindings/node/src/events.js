"use strict";

/** The server-sent events of the pieces of a body. */
async function* eventsOf(pieces) {
  const decoder = new TextDecoder();
  let begun = [];
  let afterCR = false;
  let event = { event: "message", data: [], id: "" };
  for await (const piece of pieces) {
    let text = decoder.decode(piece, { stream: true });
    if (text === "") continue; // the begin of a character
    // A CR at the end of a piece ends its line, also where the LF of a CR LF follows.
    if (afterCR && text.startsWith("\n")) text = text.slice(1);
    afterCR = text.endsWith("\r");
    const [first, ...others] = text.split(/\r\n|\n|\r/);
    // The pieces of a line are joined once, at its end: a long one has many.
    begun.push(first);
    for (const other of others) {
      const line = begun.join("");
      begun = [other];
      if (line === "") {
        if (event.data.length > 0) yield { ...event, event: event.event || "message", data: event.data.join("\n") };
        event = { event: "message", data: [], id: event.id };
        continue;
      }
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "data") event.data.push(value);
      else if (name === "event") event.event = value;
      else if (name === "id" && !value.includes("\0")) event.id = value;
    }
  }
}

module.exports = { eventsOf };
