#include "tests/testing/servers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <utility>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "tests/testing/test_data.h"

namespace dmarcate::testing_support {
namespace {

// A SOA query as bytes, so that these helpers do not stand on the code they test.
std::string SoaQuery(std::string_view zone) {
  std::string query("\x44\x4d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  if (!zone.empty()) {
    for (const std::string_view label : Split(zone, '.')) {
      query += static_cast<char>(label.size());
      query += label;
    }
  }
  query.append("\x00\x00\x06\x00\x01", 5);
  return query;
}

// One attempt: an answer with AA and a record for a zone, any answer for "".
bool Answers(const Listen& listen, std::string_view zone) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(listen.port);
  inet_pton(AF_INET, listen.address.c_str(), &address.sin_addr);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return false;
  }
  const std::string query = SoaQuery(zone);
  if (send(fd.get(), query.data(), query.size(), 0) < 0) return false;
  pollfd waiting{fd.get(), POLLIN, 0};
  if (poll(&waiting, 1, 500) != 1) return false;
  unsigned char reply[4096];
  if (recv(fd.get(), reply, sizeof reply, 0) < 12 || reply[0] != 0x44 || reply[1] != 0x4D) {
    return false;
  }
  if (zone.empty()) return true;
  const bool authoritative = (reply[2] & 0x04) != 0;
  const int rcode = reply[3] & 0x0F;
  const int answers = reply[6] << 8 | reply[7];
  return authoritative && rcode == 0 && answers > 0;
}

// "127.0.0.1@port" and "::1@port", as Knot and Unbound write it.
std::string WithAt(std::string_view server) {
  std::string out(server);
  out[out.rfind(':')] = '@';
  std::erase_if(out, [](char c) { return c == '[' || c == ']'; });
  return out;
}

std::vector<std::string> NamesToWaitFor(const std::vector<TestZone>& zones) {
  std::vector<std::string> names;
  for (const TestZone& zone : zones) {
    if (zone.loads) names.push_back(zone.name);
  }
  return names;
}

}  // namespace

TestZone MakeZone(std::string_view name, std::string_view records) {
  return {std::string(name),
          fmt::format("$ORIGIN {}.\n$TTL 300\n"
                      "@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n{}",
                      name, records)};
}

bool HasLoopbackV6() {
  const UniqueFd fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return fd.valid() &&
         bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

RealServer::RealServer(Listen listen) : listen_(std::move(listen)) {
  if (listen_.port == 0) listen_.port = FreePort();
}

std::string RealServer::server() const {
  return fmt::format("{}:{}", listen_.address, listen_.port);
}

std::string RealServer::server_v6() const {
  return listen_.port_v6 == 0 ? "" : fmt::format("[::1]:{}", listen_.port_v6);
}

std::string RealServer::log() const {
  return ReadFile(directory_.File("output"), size_t{16} << 20).value_or("(no log)");
}

absl::Status RealServer::Launch(std::vector<std::string> argv, std::vector<std::string> zones) {
  directory_.Write("output", "");
  directory_.GiveAway();
  options_.argv = std::move(argv);
  options_.output_path = directory_.File("output");
  options_.working_directory = directory_.path();
  options_.user = ProcessOptions::User::kNobodyIfRoot;
  zones_ = std::move(zones);
  return Restart();
}

absl::Status RealServer::Restart() {
  if (process_) process_->Stop();
  DMARCATE_ASSIGN_OR_RETURN(Process process, Process::Start(options_));
  process_.emplace(std::move(process));
  return WaitReady();
}

absl::Status RealServer::WaitReady() {
  for (const std::string& zone : zones_) {
    const bool ready = WaitUntil([&] { return !process_->Running() || Answers(listen_, zone); });
    if (!ready || !process_->Running()) {
      return MakeError(absl::StatusCode::kUnavailable,
                       fmt::format("{} is not ready for {}:\n{}", options_.argv[0], zone, log()));
    }
  }
  return absl::OkStatus();
}

void RealServer::Pause() {
  process_->Signal(SIGSTOP);
  // Only when all of its threads have stopped does it answer no more.
  siginfo_t stopped{};
  waitid(P_PID, static_cast<id_t>(process_->pid()), &stopped, WSTOPPED | WEXITED | WNOWAIT);
}
void RealServer::Resume() { process_->Signal(SIGCONT); }

absl::StatusOr<std::unique_ptr<RealBind>> RealBind::Start(const std::vector<TestZone>& zones,
                                                          TestTsigKey key, Listen listen) {
  auto bind = std::make_unique<RealBind>(std::move(listen));
  const std::string& d = bind->directory().path();
  std::string config = fmt::format(
      "key \"{}.\" {{ algorithm {}; secret \"{}\"; }};\n"
      "options {{ directory \"{}\"; listen-on port {} {{ {}; }}; {}\n"
      "  pid-file \"{}/named.pid\"; session-keyfile \"{}/session.key\";\n"
      "  managed-keys-directory \"{}\"; recursion no; dnssec-validation no; notify no; }};\n"
      "controls {{ }};\n",
      key.name, key.algorithm, key.secret_base64, d, bind->port(), bind->listen().address,
      bind->listen().port_v6 == 0
          ? "listen-on-v6 { none; };"
          : fmt::format("listen-on-v6 port {} {{ ::1; }};", bind->listen().port_v6),
      d, d, d);
  for (const TestZone& zone : zones) {
    bind->directory().Write(zone.name + ".zone", zone.text);
    config += fmt::format(
        "zone \"{0}\" {{ type master; file \"{1}/{0}.zone\"; {2}; }};\n", zone.name, d,
        zone.confined
            ? fmt::format("update-policy {{ grant {0}. name {1}. TXT; grant {0}. name _dmarc.{1}. "
                          "TXT; }}",
                          key.name, zone.name)
            : fmt::format("allow-update {{ key \"{}.\"; }}", key.name));
  }
  const std::string path = bind->directory().Write("named.conf", config);
  bind->key_ = std::move(key);
  DMARCATE_RETURN_IF_ERROR(
      bind->Launch({"named", "-g", "-n", "1", "-c", path}, NamesToWaitFor(zones)));
  return bind;
}

absl::StatusOr<std::unique_ptr<RealKnot>> RealKnot::Start(const std::vector<TestZone>& zones,
                                                          Signing signing, TestTsigKey key,
                                                          Listen listen) {
  auto knot = std::make_unique<RealKnot>(std::move(listen));
  const std::string& d = knot->directory().path();
  const std::string listen_v6 = knot->server_v6();
  std::string confined;  // acls
  for (const TestZone& zone : zones) {
    if (!zone.confined) continue;
    confined += fmt::format(
        "  - id: confined-{0}\n    key: {1}\n    action: update\n    update-type: [TXT]\n"
        "    update-owner: name\n    update-owner-match: equal\n"
        "    update-owner-name: [{0}., _dmarc.{0}.]\n",
        zone.name, key.name);
  }
  std::string config = fmt::format(
      "server:\n    rundir: \"{0}\"\n    listen: [{1}]\n    udp-workers: 1\n    tcp-workers: 1\n"
      "    background-workers: 1\n"
      "database:\n    storage: \"{0}/db\"\n    journal-db-max-size: 50M\n"
      "log:\n  - target: stderr\n    any: info\n"
      "key:\n  - id: {2}\n    algorithm: {3}\n    secret: {4}\n"
      "acl:\n  - id: upd_acl\n    key: {2}\n    action: [update, transfer]\n{5}"
      "policy:\n  - id: p\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n"
      "zone:\n",
      d, WithAt(knot->server()) + (listen_v6.empty() ? std::string() : ", " + WithAt(listen_v6)),
      key.name, key.algorithm, key.secret_base64, confined);
  for (const TestZone& zone : zones) {
    knot->directory().Write(zone.name + ".zone", zone.text);
    config += fmt::format(
        "  - domain: {0}\n    storage: \"{1}\"\n    file: {0}.zone\n    acl: {2}\n"
        "    zonefile-load: difference-no-serial\n    journal-content: all\n",
        zone.name, d, zone.confined ? "confined-" + zone.name : "upd_acl");
    if (signing == Signing::kSigned) {
      config += "    dnssec-signing: on\n    dnssec-policy: p\n";
    }
  }
  knot->directory().Write("db/.keep", "");  // Knot does not make its storage
  const std::string path = knot->directory().Write("knot.conf", config);
  knot->key_ = std::move(key);
  DMARCATE_RETURN_IF_ERROR(knot->Launch({"knotd", "-c", path}, NamesToWaitFor(zones)));
  return knot;
}

absl::StatusOr<std::string> RealKnot::TrustAnchor(std::string_view zone) const {
  std::string anchor;
  absl::Status failed = absl::OkStatus();
  const bool found = WaitUntil([&] {
    const auto dug =
        RunCommand({"dig", "@" + listen().address, "-p", std::to_string(port()), std::string(zone),
                    "DNSKEY", "+noall", "+answer", "+time=1", "+tries=1"});
    if (!dug.ok()) {
      failed = dug.status();
      return true;
    }
    for (const std::string_view line : Split(dug->output, '\n')) {
      if (line.find("\tDNSKEY\t") != std::string_view::npos) anchor += std::string(line) + "\n";
    }
    return !anchor.empty();
  });
  DMARCATE_RETURN_IF_ERROR(failed);
  if (!found) {
    return MakeError(absl::StatusCode::kUnavailable, fmt::format("{} is not signed", zone));
  }
  return anchor;
}

absl::StatusOr<std::unique_ptr<RealPowerDns>> RealPowerDns::Start(
    const std::vector<TestZone>& zones, TestTsigKey key, Listen listen) {
  auto pdns = std::make_unique<RealPowerDns>(std::move(listen));
  const std::string& d = pdns->directory().path();
  const std::string listen_v6 = pdns->server_v6();
  pdns->directory().Write(
      "pdns.conf",
      fmt::format("launch=gsqlite3\ngsqlite3-database={0}/pdns.sqlite3\ngsqlite3-dnssec=yes\n"
                  "gsqlite3-pragma-synchronous=0\n"
                  "local-address={1}\nsocket-dir={0}\nwrite-pid=no\n"
                  "daemon=no\nguardian=no\ndisable-syslog=yes\nwebserver=yes\n"
                  "webserver-address=127.0.0.1\nwebserver-port={2}\n"
                  "webserver-allow-from=127.0.0.0/8\napi=yes\napi-key={3}\ndnsupdate=yes\n"
                  "allow-dnsupdate-from=127.0.0.0/8\ncache-ttl=0\nquery-cache-ttl=0\n"
                  "negquery-cache-ttl=0\nzone-cache-refresh-interval=0\n"
                  "dname-processing=yes\nenable-lua-records=yes\n",
                  d, pdns->server() + (listen_v6.empty() ? std::string() : ", " + listen_v6),
                  pdns->api_port_, pdns->api_key_));
  pdns->key_ = std::move(key);
  DMARCATE_RETURN_IF_ERROR(
      pdns->Sql(".read /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"));
  DMARCATE_RETURN_IF_ERROR(pdns->Pdnsutil(
      {"import-tsig-key", pdns->key_.name, pdns->key_.algorithm, pdns->key_.secret_base64}));
  for (const TestZone& zone : zones) DMARCATE_RETURN_IF_ERROR(pdns->AddZone(zone));
  std::vector<std::string> names = NamesToWaitFor(zones);
  names.emplace_back("");  // with no zone at all it answers too
  DMARCATE_RETURN_IF_ERROR(pdns->Launch({"pdns_server", "--config-dir=" + d}, std::move(names)));
  return pdns;
}

std::string RealPowerDns::api_url() const { return fmt::format("http://127.0.0.1:{}", api_port_); }

absl::Status RealPowerDns::Pdnsutil(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"pdnsutil", "--config-dir=" + directory().path()});
  DMARCATE_ASSIGN_OR_RETURN(const CommandResult result, RunCommand(arguments));
  directory().GiveAway();
  if (result.exit_code == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInternal,
                   fmt::format("pdnsutil {}: {}", arguments[2], result.output));
}

absl::Status RealPowerDns::Sql(std::string command) {
  DMARCATE_ASSIGN_OR_RETURN(
      const CommandResult result,
      RunCommand({"sqlite3", "-bail", "-cmd", ".timeout 5000", "-cmd", "PRAGMA synchronous=OFF;",
                  directory().File("pdns.sqlite3"), std::move(command)}));
  directory().GiveAway();  // SQLite's journal may be new, and ours
  if (result.exit_code == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInternal, "sqlite3: " + result.output);
}

absl::Status RealPowerDns::AddZone(const TestZone& zone) {
  const std::string path =
      directory().Write(zone.name + ".zone", zone.signer ? zone.signer->unsigned_text : zone.text);
  DMARCATE_RETURN_IF_ERROR(Pdnsutil({"load-zone", zone.name, path}));
  if (zone.signer) return Sign(zone);
  if (zone.text.find("RRSIG") != std::string::npos) {
    return Pdnsutil({"set-presigned", zone.name});
  }
  // Or a name with names below, but no records, does not exist.
  DMARCATE_RETURN_IF_ERROR(Pdnsutil({"rectify-zone", zone.name}));
  // What `pdnsutil set-meta` does, in one go: each call of it takes as long as loading the zone.
  return Sql(fmt::format(
      "INSERT INTO domainmetadata (domain_id, kind, content) SELECT id, column1, column2 FROM "
      "domains, (VALUES ('SOA-EDIT-API', 'INCREASE'), ('SOA-EDIT-DNSUPDATE', 'INCREASE'), "
      "('TSIG-ALLOW-DNSUPDATE', '{}')) WHERE name = '{}';",
      key_.name, zone.name));
}

// With the key given: with the SQL backend it cannot serve another's NSEC3 records.
absl::Status RealPowerDns::Sign(const TestZone& zone) {
  const std::string key = directory().Write(zone.name + ".private", zone.signer->private_key);
  DMARCATE_RETURN_IF_ERROR(Pdnsutil({"import-zone-key", zone.name, key, "ksk", "active"}));
  if (zone.signer->denial == Denial::kNsec3) {
    DMARCATE_RETURN_IF_ERROR(Pdnsutil({"set-nsec3", zone.name, "1 0 0 -"}));
  }
  return Pdnsutil({"rectify-zone", zone.name});
}

absl::StatusOr<std::unique_ptr<RealUnbound>> RealUnbound::Start(const std::vector<Stub>& stubs,
                                                                Listen listen,
                                                                std::string_view more) {
  auto unbound = std::make_unique<RealUnbound>(std::move(listen));
  const std::string& d = unbound->directory().path();
  std::string config = fmt::format(
      "server:\n  interface: {}\n  access-control: 127.0.0.0/8 allow\n  username: \"\"\n"
      "  chroot: \"\"\n  directory: \"{}\"\n  pidfile: \"{}/unbound.pid\"\n  use-syslog: no\n"
      "  do-daemonize: no\n  do-ip6: {}\n  num-threads: 1\n  do-not-query-localhost: no\n"
      "  cache-max-ttl: 0\n  cache-max-negative-ttl: 0\n  "
      "infra-host-ttl: 0\n"
      "  local-zone: \".\" refuse\n",
      WithAt(unbound->server()), d, d, unbound->server_v6().empty() ? "no" : "yes");
  if (const std::string v6 = unbound->server_v6(); !v6.empty()) {
    config += fmt::format("  interface: {}\n  access-control: ::1 allow\n", WithAt(v6));
  }
  config += more;
  std::string zones;
  for (const Stub& stub : stubs) {
    config += fmt::format("  local-zone: \"{}.\" transparent\n", stub.zone);
    if (!stub.trust_anchor.empty()) {
      const std::string path = unbound->directory().Write(stub.zone + ".anchor", stub.trust_anchor);
      config += fmt::format("  trust-anchor-file: \"{}\"\n", path);
    }
    zones += fmt::format("stub-zone:\n  name: \"{}\"\n  stub-addr: {}\n", stub.zone,
                         WithAt(stub.server));
  }
  // Nothing leaves this machine: not even what Unbound itself would like to know of the root.
  zones += "stub-zone:\n  name: \".\"\n  stub-addr: 127.0.0.1@1\n";
  config += "remote-control:\n  control-enable: no\n" + zones;
  const std::string path = unbound->directory().Write("unbound.conf", config);
  DMARCATE_RETURN_IF_ERROR(unbound->Launch({"unbound", "-d", "-c", path}, {""}));
  return unbound;
}

}  // namespace dmarcate::testing_support
