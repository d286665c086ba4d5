//! A venue in a box: matching engine, order flow, capture replay, wire protocol, server.
