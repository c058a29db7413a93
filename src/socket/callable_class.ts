/**
 * Classes that can be called without `new`, as the constructor functions of ES5 can.
 *
 * @module
 */
import { EventEmitter } from "node:events";

interface EmitterClass<Options, Listener, Emitter> {
  new (options: Options, listener?: Listener): Emitter;
  readonly prototype: Emitter;
}

/**
 * Makes a constructor that replaces a class of event emitters. It can also be called on an object that inherits from the class's
 * prototype, as ES5 classes call their parent (`Socket.call(this, "udp4")` with `util.inherits`). In everything else it is the
 * class: name, prototype, static members, `instanceof`, `extends`.
 *
 * @param Class The class. Its instances have no private fields.
 * @param initialize What the class's constructor does after `super()`.
 */
export function callableClass<Options, Listener, Emitter extends object>(
  Class: EmitterClass<Options, Listener, Emitter>,
  initialize: (emitter: Emitter, options: Options, listener: Listener | undefined) => void,
): EmitterClass<Options, Listener, Emitter> {
  const { name, prototype } = Class;
  const makeEmitter = EventEmitter as unknown as (this: object) => void;
  const constructor = function (this: Emitter, options: Options, listener: Listener | undefined): void {
    makeEmitter.call(this);
    initialize(this, options, listener);
  };
  Object.defineProperty(constructor, "name", { value: name, configurable: true });
  Object.setPrototypeOf(constructor, Object.getPrototypeOf(Class));
  constructor.prototype = prototype;
  Object.defineProperty(prototype, "constructor", { value: constructor });
  return constructor as unknown as EmitterClass<Options, Listener, Emitter>;
}
