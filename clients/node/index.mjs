// The same package for `import`: the CommonJS module's own objects, so that a process has one of
// each.
import EXP from './index.js';

export default EXP;
export const {
  start,
  stop,
  fork,
  clear,
  rawJson,
  version,
  Exp,
  AbortError,
  ApiError,
  AuthenticationError,
  ExpError,
  NetworkError,
  RuntimeError,
  UnexpectedError,
  UnsupportedError,
} = EXP;
export { EXP };
