// Content: folders, files, apps and URLs.
'use strict';

const { RuntimeError } = require('../errors');
const { NamedResource } = require('./resource');

const FILE = 'scala:content:file';
const APP = 'scala:content:app';
const URL = 'scala:content:url';

class Content extends NamedResource {
  static collection = '/api/content';

  get subtype() {
    return this.document.subtype;
  }

  getChildren(params, options) {
    return this.exp.findContent({ ...params, parent: this.uuid }, options);
  }

  /** A URL that loads it by itself; it carries a token that reads content. */
  async getUrl(options) {
    const { path, url } = this.document;
    if (this.subtype === URL) return url;
    if (this.subtype === APP) return this.exp.getContentUrl(`${path}/index.html`, options);
    if (this.subtype === FILE) return this.exp.getContentUrl(path, options);
    throw new RuntimeError(`content ${this.uuid} has no URL: its subtype is ${this.subtype}`);
  }

  hasVariant(name) {
    return (this.document.variants ?? []).some((variant) => variant.name === name);
  }

  async getVariantUrl(name, options) {
    if (this.subtype !== FILE) throw new RuntimeError(`content ${this.uuid} has no variants: its subtype is ${this.subtype}`);
    if (!this.hasVariant(name)) throw new RuntimeError(`content ${this.uuid} has no variant ${JSON.stringify(name)}`);
    return this.exp.getContentUrl(this.document.path, { ...options, variant: name });
  }
}

// EXP's SDKs have no call that deletes content.
Object.defineProperty(Content.prototype, 'delete', { value: undefined });

module.exports = { Content };
