//! Orders, fills, positions, cash, fees, profit and loss: pure bookkeeping. Level 2.
