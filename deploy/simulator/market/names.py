"""The synthetic market's coins: public names, a price level and how much they trade.

Prices are levels to start from, not quotes. ``turnover`` is KRW million a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin of the synthetic market before a seed has touched it."""

    code: str
    korean: str
    english: str
    price: float
    turnover: float


_TABLE = """
BTC 비트코인 Bitcoin 152000000 420000
ETH 이더리움 Ethereum 5400000 310000
XRP 리플 XRP 3900 520000
USDT 테더 Tether 1420 180000
SOL 솔라나 Solana 262000 140000
DOGE 도지코인 Dogecoin 330 160000
USDC 유에스디코인 USD_Coin 1421 24000
ADA 에이다 Cardano 1050 42000
TRX 트론 TRON 430 23000
LINK 체인링크 Chainlink 28500 31000
AVAX 아발란체 Avalanche 38200 22000
SUI 수이 Sui 4600 61000
SHIB 시바이누 Shiba_Inu 0.0172 38000
PEPE 페페 Pepe 0.0139 54000
XLM 스텔라루멘 Stellar_Lumens 520 47000
HBAR 헤데라 Hedera 310 29000
DOT 폴카닷 Polkadot 5800 12000
BCH 비트코인캐시 Bitcoin_Cash 780000 15000
ETC 이더리움클래식 Ethereum_Classic 29800 18000
NEAR 니어프로토콜 NEAR_Protocol 3900 9800
APT 앱토스 Aptos 6300 13000
AAVE 에이브 Aave 412000 8900
UNI 유니스왑 Uniswap 14100 7600
ATOM 코스모스 Cosmos 6400 6100
ALGO 알고랜드 Algorand 340 8200
VET 비체인 VeChain 35.2 5200
FIL 파일코인 Filecoin 3550 4400
ARB 아비트럼 Arbitrum 720 14000
OP 옵티미즘 Optimism 1020 9900
SEI 세이 Sei 430 21000
STX 스택스 Stacks 950 11000
IMX 이뮤터블엑스 Immutable_X 810 5300
GRT 더그래프 The_Graph 132 4100
INJ 인젝티브 Injective 19400 7400
SAND 샌드박스 The_Sandbox 410 9300
MANA 디센트럴랜드 Decentraland 430 6700
AXS 엑시인피니티 Axie_Infinity 3400 5100
THETA 쎄타토큰 Theta_Network 1130 3300
EOS 이오스 EOS 890 12500
XTZ 테조스 Tezos 1160 2600
FLOW 플로우 Flow 570 1700
CHZ 칠리즈 Chiliz 58.1 8400
NEO 네오 NEO 9400 3600
KAVA 카바 Kava 560 1400
ZIL 질리카 Zilliqa 17.4 2300
ICX 아이콘 ICON 203 1900
ONT 온톨로지 Ontology 231 2100
QTUM 퀀텀 Qtum 3300 1600
IOTA 아이오타 IOTA 296 2400
WAVES 웨이브 Waves 1720 3900
BAT 베이직어텐션토큰 Basic_Attention_Token 231 1500
ENJ 엔진코인 Enjin 104 1800
ZRX 제로엑스 0x_Protocol 375 2700
STORJ 스토리지 Storj 392 3100
ANKR 앵커 Ankr 22.6 1300
GLM 골렘 Golem 352 1200
LPT 라이브피어 Livepeer 9900 5600
MASK 마스크네트워크 Mask_Network 1890 4700
BLUR 블러 Blur 133 6900
ID 스페이스아이디 SPACE_ID 241 2200
ARKM 아캄 Arkham 780 7200
PENDLE 펜들 Pendle 7300 4900
ONDO 온도파이낸스 Ondo_Finance 1420 26000
ENA 에테나 Ethena 960 33000
STRK 스타크넷 Starknet 191 5800
ZETA 제타체인 ZetaChain 262 6400
ZRO 레이어제로 LayerZero 2950 8800
W 웜홀 Wormhole 121 4600
TAIKO 타이코 Taiko 620 2900
BIGTIME 빅타임 Big_Time 82.5 3500
ASTR 아스타 Astar 36.4 3800
GAS 가스 GAS 4310 2500
AERGO 아르고 Aergo 131 9100
CVC 시빅 Civic 121 1100
POWR 파워렛저 Powerledger 241 960
STEEM 스팀 Steem 203 1450
HIVE 하이브 Hive 322 2050
SC 시아코인 Siacoin 4.71 1250
BTT 비트토렌트 BitTorrent 0.00088 1650
JST 저스트 JUST 51.2 890
SXP 솔라 Solar 262 1350
CRO 크로노스 Cronos 248 4050
MOC 모스코인 Moss_Coin 78.3 620
MBL 무비블록 MovieBloc 3.62 840
MVL 엠블 MVL 5.13 730
META 메타디움 Metadium 27.9 510
AQT 알파쿼크 Alpha_Quark 1240 690
TT 썬더코어 ThunderCore 3.91 440
CRE 캐리프로토콜 Carry_Protocol 9.42 380
CKB 너보스 Nervos_Network 7.95 2950
IOST 아이오에스티 IOST 4.83 1150
IQ 아이큐 IQ 6.21 560
STRAX 스트라티스 Stratis 63.5 780
ARDR 아더 Ardor 121 340
ARK 아크 Ark 572 650
ELF 엘프 aelf 331 430
STMX 스톰엑스 StormX 7.35 290
DKA 디카르고 dKargo 21.4 810
AHT 아하토큰 AhaToken 6.74 260
BORA 보라 BORA 118 1050
PUNDIX 펀디엑스 Pundi_X 492 540
KNC 카이버네트워크 Kyber_Network 562 720
VTHO 비토르토큰 VeThor_Token 2.87 610
ORBS 오브스 Orbs 27.3 330
RVN 레이븐코인 Ravencoin 18.9 970
LSK 리스크 Lisk 552 240
STPT 에스티피 STP 91.4 480
T 쓰레스홀드 Threshold 22.8 590
CELO 셀로 Celo 452 1020
MTL 메탈 Metal_DAO 1080 860
XEC 이캐시 eCash 0.0289 1180
MLK 밀크 MiL.k 223 210
HUNT 헌트 HUNT 312 180
WAXP 왁스 WAX 31.6 270
QKC 쿼크체인 QuarkChain 9.87 190
GRS 그로스톨코인 Groestlcoin 481 130
ATH 에이셔 Aethir 62.9 1980
JUP 주피터 Jupiter 731 5400
PYTH 피스네트워크 Pyth_Network 201 4200
BONK 봉크 Bonk 0.0312 7900
RENDER 렌더토큰 Render 5200 3050
TON 톤코인 Toncoin 4700 1900
POL 폴리곤에코시스템토큰 Polygon 352 6600
XEM 넴 NEM 24.1 410
SNT 스테이터스네트워크토큰 Status 41.9 1550
LOOM 룸네트워크 Loom_Network 58.4 150
NCT 폴리스웜 PolySwarm 32.5 95
OBSR 옵저버 Observer 1.37 60
"""

COINS = tuple(
    Coin(code, korean, english.replace("_", " "), float(price), float(turnover))
    for code, korean, english, price, turnover in (
        line.split() for line in _TABLE.strip().splitlines()
    )
)
MOST = 500
"""Markets that a synthetic exchange can have; the real one has about 250."""


def coins(count: int, /) -> tuple[Coin, ...]:
    """Return *count* coins, the best known first and made-up ones after the last."""
    made_up = (_made_up(number) for number in range(len(COINS) + 1, count + 1))
    return (*COINS[:count], *made_up)


def _made_up(number: int) -> Coin:
    code = f"SIM{number}"
    # Spread over prices and turnovers as the lesser known coins are.
    dice = crc32(code.encode())
    price = float(f"{10 ** (dice % 6 - 1) * (1 + dice // 6 % 89 / 10):.3g}")
    turnover = float(round(90 * 60 ** (dice // 600 % 1000 / 1000)))
    return Coin(code, f"가상코인{number}", f"Simulated {number}", price, turnover)


PEGGED = frozenset({"USDT", "USDC"})
"""Coins that hardly move."""
WARNED = frozenset({"LOOM"})
CAUTIONED = {
    "AERGO": ("PRICE_FLUCTUATIONS", "TRADING_VOLUME_SOARING"),
    "OBSR": ("CONCENTRATION_OF_SMALL_ACCOUNTS",),
}
YOUNG = {"ATH": 20, "ZRO": 45, "TAIKO": 5}
"""Days since listing, for coins younger than the rest."""
