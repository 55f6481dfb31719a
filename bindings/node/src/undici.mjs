import undici from "./undici.js";

export const { Dispatcher } = undici;
