#include "tests/lib/inbound/sts_server.h"

#include "absl/time/clock.h"
#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "tests/lib/inbound/certificates.h"

namespace dmarcate::inbound_testing {

void StsServer::Serve(std::string_view policy) {
  directory_.Write("web/.well-known/mta-sts.txt",
                   fmt::format("HTTP/1.0 200 ok\r\nContent-Type: text/plain\r\n\r\n{}", policy));
}

absl::StatusOr<std::unique_ptr<StsServer>> StsServer::Start(std::string_view policy) {
  const absl::Time now = absl::Now();
  const Identity root = Identity::SelfSigned({.subject = "root",
                                              .not_before = now - absl::Hours(1),
                                              .not_after = now + absl::Hours(1),
                                              .authority = true});
  const Identity leaf = root.Sign({.subject = "mta-sts.example.com",
                                   .names = {"mta-sts.example.com"},
                                   .not_before = now - absl::Hours(1),
                                   .not_after = now + absl::Hours(1)});
  auto out = std::unique_ptr<StsServer>(new StsServer);
  testing_support::TempDir& directory = out->directory_;
  out->ca_file_ = directory.Write("ca.pem", root.CertificatePem());
  directory.Write("cert.pem", leaf.CertificatePem());
  directory.Write("key.pem", leaf.KeyPem());
  DMARCATE_RETURN_IF_ERROR(MakeDirectories(directory.File("web/.well-known"), 0700));
  out->Serve(policy);
  const std::string log = directory.Write("log", "");
  out->port_ = testing_support::FreePort();
  DMARCATE_ASSIGN_OR_RETURN(
      out->process_,
      testing_support::Process::Start(
          {.argv = {"openssl", "s_server", "-accept", fmt::format("127.0.0.1:{}", out->port_),
                    "-cert", directory.File("cert.pem"), "-key", directory.File("key.pem"),
                    "-HTTP"},
           .working_directory = directory.File("web"),
           .output_path = log}));
  const bool accepts = testing_support::WaitUntil(
      [&log] { return ReadFile(log, 1 << 20).value_or("").find("ACCEPT") != std::string::npos; });
  if (!accepts) return absl::UnavailableError("openssl s_server does not accept");
  return out;
}

}  // namespace dmarcate::inbound_testing
