//! Logon, signing, rate budgets, reconnects, REST requests.
