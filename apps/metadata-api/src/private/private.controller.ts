import { Controller, Get, Inject, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { RequireScope, ScopeGuard } from '../auth/scope.guard.js';
import type { VerifiedPeer } from '../auth/peer-strategy.js';
import { Knowledge } from '../documents/knowledge.js';
import { sendDocument } from '../http/send-document.js';
import { Streaming } from './streaming.js';

type PeerRequest = Request & { readonly user: VerifiedPeer };

/** What was made for the one peer that asks, as bytes or as a stream. */
@ApiTags('private')
@ApiBearerAuth()
@ApiResponse({ status: 401, description: 'no token, or one that proves nothing' })
@ApiResponse({ status: 403, description: 'untrusted peer, or another scope' })
@ApiResponse({ status: 429, description: 'over a limit; see Retry-After' })
@UseGuards(ScopeGuard)
@Controller('metadata/private')
export class PrivateController {
  constructor(
    @Inject(Knowledge) private readonly knowledge: Knowledge,
    @Inject(Streaming) private readonly streaming: Streaming,
  ) {}

  @Get('federation.json')
  @RequireScope('private-federation')
  @ApiOperation({ summary: 'Federation document made for the asking peer' })
  @ApiResponse({ status: 200, description: 'the document, with ETag' })
  federation(@Req() request: PeerRequest, @Res() response: Response): void {
    sendDocument(request, response, this.knowledge.privateDocument(request.user.peer));
  }

  @Get('multicluster.json')
  @RequireScope('private-multicluster')
  @ApiOperation({ summary: 'Multicluster document made for the asking peer' })
  @ApiResponse({ status: 200, description: 'the document, with ETag' })
  multicluster(@Req() request: PeerRequest, @Res() response: Response): void {
    sendDocument(request, response, this.knowledge.privateDocument(request.user.peer));
  }

  @Get('federation/stream')
  @RequireScope('private-federation')
  @ApiOperation({ summary: 'Federation document as server-sent events, one at every change' })
  @ApiResponse({ status: 200, description: 'text/event-stream; Last-Event-ID is honoured' })
  federationStream(@Req() request: PeerRequest, @Res() response: Response): void {
    this.streaming.open(request, response, request.user, 'private-federation');
  }

  @Get('multicluster/stream')
  @RequireScope('private-multicluster')
  @ApiOperation({ summary: 'Multicluster document as server-sent events, one at every change' })
  @ApiResponse({ status: 200, description: 'text/event-stream; Last-Event-ID is honoured' })
  multiclusterStream(@Req() request: PeerRequest, @Res() response: Response): void {
    this.streaming.open(request, response, request.user, 'private-multicluster');
  }
}
