import { createPrivateKey, sign } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { formatEvent } from '#protocol';
import {
  caOf,
  keyChainFor,
  signPrivateDocument,
  signPublicDocument,
  SigningPeer,
  trusted,
} from '../../../libs/trust/src/peer.fixture.js';
import { ownUUID } from './chart.js';
import { json, PeerServer } from './peer-server.js';

export interface Offered {
  readonly hostname: unknown;
  readonly ports: unknown;
}

/** Content of a federation document, honest or not. */
export interface Content {
  readonly ingressGateways: unknown;
  readonly publicServices: unknown;
}

/** Content of a multicluster document, honest or not. */
export interface MulticlusterContent {
  readonly ingressGateways: unknown;
  readonly apiHost: string;
  readonly networkName: string;
}

export interface PublicChoices {
  readonly clusterUUID?: string;
  readonly roots?: readonly string[];
  readonly seq?: number;
  readonly lifetimeSeconds?: number;
}

type Resource = ApiObject & { readonly spec: object };

const web = [{ name: 'http', port: 80 }];
export const gateway = { address: '203.0.113.7', port: 15_443 };

/** A peer cluster of its own: CA, signing key, server; honest until a row makes it otherwise. */
export class Peer {
  readonly identity: SigningPeer;
  readonly clusterUUID: string;
  readonly trustDomain: string;
  readonly echo: string;
  #seq = Date.now();
  readonly #streams = new Set<ServerResponse>();

  constructor(
    readonly name: string,
    readonly server: PeerServer,
  ) {
    this.trustDomain = `${name}.example`;
    this.clusterUUID = `uuid-${name}`;
    this.echo = this.host('echo');
    this.identity = new SigningPeer(this.trustDomain);
  }

  host(service: string): string {
    return `${service}.demo.svc.${this.trustDomain}`;
  }

  get root(): string {
    return this.identity.ca['root-cert.pem'];
  }

  /** A number larger than every one before. */
  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** Of its IstioFederation. */
  get path(): string {
    return pathFor(resources.istioFederations, { name: this.name });
  }

  /** `more` goes over its spec. */
  resource(ca: string, more: object = {}): Resource {
    return {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioFederation',
      metadata: { name: this.name },
      spec: { trustDomain: this.trustDomain, metadataEndpoint: this.server.endpoint, metadata: { ca }, ...more },
    };
  }

  /** The same cluster as one that shares its names with us. */
  multiclusterResource(ca: string): Resource {
    return {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioMulticluster',
      metadata: { name: this.name },
      spec: { metadataEndpoint: this.server.endpoint, metadata: { ca } },
    };
  }

  /** Serves what an honest peer does: one service, one gateway. */
  behave(): void {
    this.server.publicAnswer = json(this.publicDocument());
    this.server.privateAnswer = json(this.federation(this.content()));
  }

  content(more: Partial<Content> & { readonly offers?: readonly Offered[] } = {}): Content {
    const { offers = [], ...fields } = more;
    return {
      ingressGateways: [gateway],
      publicServices: [{ hostname: this.echo, ports: web }, ...offers],
      ...fields,
    };
  }

  publicDocument(choices: PublicChoices = {}): string {
    const { key, ca } = this.identity;
    const roots = choices.roots ?? [this.root];
    const clusterUUID = choices.clusterUUID ?? this.clusterUUID;
    const signed = signPublicDocument(
      {
        identity: {
          clusterUUID,
          clusterID: this.name,
          trustDomain: this.trustDomain,
          clusterDomain: this.trustDomain,
          networkName: 'network-2',
        },
        roots,
        keys: [trusted(key)],
        keyChain: keyChainFor(key, ca, this.trustDomain, Date.now()),
        tlsCA: '',
        crls: [],
      },
      { seq: choices.seq ?? this.nextSeq(), now: Date.now(), lifetimeSeconds: choices.lifetimeSeconds ?? 3600 },
      key,
    );
    return JSON.stringify({ clusterUUID, authnKeyPub: key.publicPem, rootCA: roots.join(''), signed });
  }

  /** As a cluster shows itself that does not sign. */
  unsignedDocument(): string {
    const { key } = this.identity;
    return JSON.stringify({ clusterUUID: this.clusterUUID, authnKeyPub: key.publicPem, rootCA: this.root });
  }

  /** The content beside its signed copy, as the protocol has it. */
  federation(content: Content, seq = this.nextSeq(), lifetimeSeconds = 3600): string {
    return this.#signedBeside(content, seq, lifetimeSeconds);
  }

  multicluster(content: MulticlusterContent): string {
    return this.#signedBeside(content, this.nextSeq(), 3600);
  }

  #signedBeside(content: Content | MulticlusterContent, seq: number, lifetimeSeconds: number): string {
    const parties = { clusterUUID: this.clusterUUID, audience: ownUUID };
    const freshness = { seq, now: Date.now(), lifetimeSeconds };
    return JSON.stringify({ ...content, signed: signPrivateDocument(content, parties, freshness, this.identity.key) });
  }

  /** A signed document whose payload holds this raw JSON as one more member. */
  federationWithRaw(raw: string): string {
    const seconds = Math.floor(Date.now() / 1000);
    const base = { ver: 1, clusterUUID: this.clusterUUID, aud: ownUUID, seq: this.nextSeq(), iat: seconds };
    const members = JSON.stringify({ ...base, exp: seconds + 3600, ...this.content() }).slice(0, -1);
    const part = (text: string): string => Buffer.from(text).toString('base64url');
    const input = `${part('{"alg":"EdDSA"}')}.${part(`${members},"raw":${raw}}`)}`;
    const key = createPrivateKey(this.identity.key.privatePem);
    const signed = `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
    return JSON.stringify({ ...this.content(), signed });
  }

  /** Streams from now on: the given document at once, later ones by `publish`. */
  stream(first: string): void {
    let current = first;
    this.server.streamAnswer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(formatEvent({ event: 'document', id: String(this.nextSeq()), data: current }));
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
    };
    this.publish = (text) => {
      current = text;
      const event = formatEvent({ event: 'document', id: String(this.nextSeq()), data: text });
      for (const stream of this.#streams) stream.write(event);
    };
  }

  publish: (text: string) => void = () => {
    throw new Error(`${this.name} does not stream`);
  };
}

/** A root made at this time: it is good for ten years from then. */
export function rootMadeAt(peer: Peer, at: number): string {
  return caOf(peer.trustDomain, at)['root-cert.pem'];
}
