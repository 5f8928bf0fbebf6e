// policyd/config.h
// policyd's configuration file: strict TOML, every key with a default. deploy/ holds a commented
// sample.

#ifndef DMARCATE_POLICYD_CONFIG_H_
#define DMARCATE_POLICYD_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/ip_address.h"
#include "lib/dns/resolver.h"
#include "lib/rpc/daemon.h"
#include "lib/rpc/listen_config.h"
#include "policyd/alert/digest.h"
#include "policyd/notify/channel_notifier.h"
#include "policyd/plan/spf_follow.h"
#include "policyd/provider/configured_secrets.h"
#include "policyd/provider/exec/exec_provider.h"

namespace dmarcate {

struct HttpEndpoint {
  IpAddress address;
  uint16_t port = 0;
};

struct PolicydConfig {
  ListenConfig listen;            // [listen]
  std::string store_directory;    // store.directory: decisions, changes, providers
  std::string reports_directory;  // reports.directory: ingestd's store, read only
  std::string address_domain;  // reports.address_domain: of report addresses; empty: none are made
  std::string snapshot_file;   // snapshot.file: what ingestd is told; empty: nothing
  std::string secrets_directory;   // secrets.directory: one file for each DNS credential
  SecretEntries secrets;           // [[secret]]: those that are elsewhere, or bound to a use
  ExecPrograms programs;           // [[program]]: for DNS providers of type exec
  std::string public_suffix_file;  // empty: the list compiled into libpsl
  std::string catalogue_file;      // catalogue.file: services of one's own; empty: none
  DnsConfig dns;                   // [dns]
  absl::Duration watch_interval;   // watch.interval; zero: no history is kept
  int watch_looks_per_second = 0;  // watch.looks_per_second
  SpfFollowMode spf_follow = SpfFollowMode::kPlan;  // spf.follow: vendors that are flattened
  int source_lookups_per_second =
      0;  // sources.lookups_per_second; zero: addresses are not asked for
  // inbound.allow_networks: where mail servers and policies may lie that are not public.
  std::vector<IpNetwork> inbound_networks;
  // http.listen: of health and policy files, without TLS; nothing: there is no such port.
  std::optional<HttpEndpoint> http;
  std::string mta_sts_directory;     // http.mta_sts_directory: policy files; empty: none are served
  NotifyConfig notify;               // [alerts]
  std::string alerts_ca_file;        // alerts.ca_file: of webhooks; empty: the system's
  std::optional<DigestTime> digest;  // alerts.digest; nothing: none is made
  bool read_only = false;            // changes.read_only: no DNS is written
  absl::Duration drain_limit;        // shutdown.limit
  LogConfig log;                     // [log]
};

//   kNotFound, kPermissionDenied  the file
//   kInvalidArgument              its content; an unknown key comes with the nearest known one
absl::StatusOr<PolicydConfig> LoadPolicydConfig(const std::string& path);
// `origin` is named in errors.
absl::StatusOr<PolicydConfig> ParsePolicydConfig(std::string_view text, std::string_view origin);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_CONFIG_H_
