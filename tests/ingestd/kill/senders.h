// tests/ingestd/kill/senders.h
// Those who hand reports to ingestd while it is killed again and again, one for each way in. As an
// honest mail server or client does, each keeps what was not acknowledged and sends it again.
//
// Each runs on a thread of its own until the ledger is closed and all it has handed over is
// acknowledged, or the gate has ended.

#ifndef DMARCATE_TESTS_INGESTD_KILL_SENDERS_H_
#define DMARCATE_TESTS_INGESTD_KILL_SENDERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/ingestd/kill/gate.h"
#include "tests/ingestd/kill/ledger.h"
#include "tests/ingestd/smtp/client.h"

namespace dmarcate::ingest_testing {

// What a session of SMTP or LMTP says to whom. By LMTP each recipient has an answer of its own: the
// first 250 is an acknowledgement, and who got none is sent the mail again.
struct MailRoute {
  Way way = Way::kSmtp;  // or kLmtp
  std::function<MailClient()> connect;
  std::vector<std::string> recipients;
};
void SendMail(const MailRoute& route, Gate& gate, Ledger& ledger);

// Delivers to a Maildir from which ingestd takes mail, itself or through an IMAP server. It says
// that it has it by the flag S, or by moving the mail away.
struct MailboxRoute {
  enum class Sign { kFlag, kMove };
  Way way = Way::kMaildir;
  std::string maildir;
  Sign sign = Sign::kFlag;
  std::string moved_to;  // a Maildir, for kMove
};
void FillMailbox(const MailboxRoute& route, Gate& gate, Ledger& ledger);

// SubmitReport, one after another.
void Upload(Gate& gate, Ledger& ledger);

// ImportReports, one stream after another.
void StreamImports(Gate& gate, Ledger& ledger);

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_KILL_SENDERS_H_
