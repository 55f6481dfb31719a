import { EventEmitter } from "node:events";
import type { Balancer, ClientOptions, Hosts } from "./index.js";

/** A dispatcher for undici and for Node's own fetch. With hosts, the origin of a URL is not dialled. */
export class Dispatcher extends EventEmitter {
  constructor(hosts?: Hosts | Balancer | null, options?: ClientOptions);
  dispatch(options: object, handler: object): boolean;
  /** Refuses new requests, and ends when those under way have ended, with their bodies. */
  close(): Promise<void>;
  close(callback: () => void): void;
  /** Refuses new requests and ends those under way: with the error, where one is given. */
  destroy(error?: Error | null): Promise<void>;
  destroy(callback: () => void): void;
  destroy(error: Error | null, callback: () => void): void;
  // What the types of fetch want of a dispatcher, and what this one has not: nothing can be done with it.
  readonly connect: never;
  readonly compose: never;
  readonly request: never;
  readonly pipeline: never;
  readonly stream: never;
  readonly upgrade: never;
  listeners(name: string | symbol): any[];
  rawListeners(name: string | symbol): any[];
}
