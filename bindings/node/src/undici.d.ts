import { EventEmitter } from "node:events";
import type { Balancer, ClientOptions, Hosts } from "./index.js";

/** A dispatcher for undici and for Node's own fetch. With hosts, the origin of a URL is not dialled. */
export class Dispatcher extends EventEmitter {
  constructor(hosts?: Hosts | Balancer | null, options?: ClientOptions);
  dispatch(options: object, handler: object): boolean;
  close(): Promise<void>;
  close(callback: () => void): void;
  destroy(error?: Error | null): Promise<void>;
  destroy(error: Error | null, callback: () => void): void;
}
