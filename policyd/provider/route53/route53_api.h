// policyd/provider/route53/route53_api.h
// AWS Route 53: class A. One batch deletes the set exactly as it was read (name, TTL, values) and
// creates the new one; the host refuses it all if the set is another. Never UPSERT, which
// overwrites.
//
// Limits as of 2026-11, to be checked at
// docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html and
// .../APIReference; the host enforces them, nothing here counts:
//   5 requests a second for an account, all users together; then 400 Throttling
//   one batch at a time for a zone (PriorRequestNotComplete), of 1,000 records and 32,000
//   characters a value of 4,000 characters as escaped; 100 zones and 300 sets a page TTL 0 to
//   2,147,483,647 s; a change is on all servers within 60 s, mostly
// Sets with a routing policy, a health check or an alias target are not changed.
// Rights: the host refuses who may not before it looks at a batch, and a batch that deletes what is
// not there as a whole (IAM User Guide, "Policy evaluation logic"; ChangeResourceRecordSets).

#ifndef DMARCATE_POLICYD_PROVIDER_ROUTE53_ROUTE53_API_H_
#define DMARCATE_POLICYD_PROVIDER_ROUTE53_ROUTE53_API_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"
#include "policyd/provider/route53/sigv4.h"

namespace dmarcate {

// Settings: partition, "aws" (default), "aws-cn" or "aws-us-gov". `secret`: the lines of one
// profile of an AWS credentials file.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenRoute53(const HostedSettings& settings, Secret secret);

// "aws_access_key_id = ...", "aws_secret_access_key = ...", perhaps "aws_session_token = ...";
// blank lines, comments and "[profile]" are skipped.
//   kInvalidArgument  what is missing, or twice; no text of the file
absl::StatusOr<AwsCredential> ParseAwsCredential(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_ROUTE53_ROUTE53_API_H_
