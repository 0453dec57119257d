import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Knowledge } from '../documents/knowledge.js';
import { sendDocument } from '../http/send-document.js';

/** What anyone may read: who this cluster is and what vouches for it. */
@ApiTags('public')
@Controller('metadata/public')
export class PublicController {
  constructor(@Inject(Knowledge) private readonly knowledge: Knowledge) {}

  @Get('public.json')
  @ApiOperation({ summary: 'Public document: cluster UUID, signing key, roots, and the same facts signed' })
  @ApiResponse({ status: 200, description: 'the document, with ETag' })
  @ApiResponse({ status: 304, description: 'If-None-Match names the current document' })
  publicDocument(@Req() request: Request, @Res() response: Response): void {
    sendDocument(request, response, this.knowledge.publicDocument('public.json'));
  }

  @Get('spiffe-bundle-endpoint')
  @ApiOperation({ summary: 'SPIFFE trust bundle (JWKS)' })
  @ApiResponse({ status: 200, description: 'the bundle, with ETag' })
  spiffeBundle(@Req() request: Request, @Res() response: Response): void {
    sendDocument(request, response, this.knowledge.publicDocument('spiffe-bundle.json'));
  }
}
