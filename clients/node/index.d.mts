// Types for `import … from 'expd'`.
import type { Module } from './types.js';

declare const EXP: Module;
export default EXP;
export { EXP };
export declare const start: Module['start'];
export declare const stop: Module['stop'];
export declare const fork: Module['fork'];
export declare const clear: Module['clear'];
export declare const rawJson: Module['rawJson'];
export declare const version: string;
export * from './types.js';
